package project

import "container/list"

// agentCache keeps the agents that were used last, with the files they were
// built from. It is not safe for concurrent use.
type agentCache struct {
	most  int
	byAge *list.List // of *loaded, the one used last in front
	names map[string]*list.Element
}

func newAgentCache(most int) *agentCache {
	return &agentCache{most: most, byAge: list.New(), names: map[string]*list.Element{}}
}

func (c *agentCache) get(name string) *loaded {
	e := c.names[name]
	if e == nil {
		return nil
	}
	c.byAge.MoveToFront(e)
	return e.Value.(*loaded)
}

func (c *agentCache) put(l *loaded) {
	if e := c.names[l.agent.Name]; e != nil {
		e.Value = l
		c.byAge.MoveToFront(e)
		return
	}
	c.names[l.agent.Name] = c.byAge.PushFront(l)
	if c.byAge.Len() > c.most {
		oldest := c.byAge.Back()
		delete(c.names, c.byAge.Remove(oldest).(*loaded).agent.Name)
	}
}

func (c *agentCache) full() bool { return c.byAge.Len() >= c.most }
