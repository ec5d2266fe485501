package project

// readConfig returns claude.json as it is now: the same *config while the file
// does not change.
func (p *Project) readConfig() *config {
	old := p.config.Load()
	var known *document
	if old != nil {
		if p.src.root == nil {
			return old
		}
		known = old.doc
	}
	doc := p.src.read(configFile, configKind, known)
	if old != nil && doc == old.doc {
		return old
	}
	cfg := parseConfig(doc)
	if !p.config.CompareAndSwap(old, cfg) {
		if now := p.config.Load(); now.doc.same(doc) {
			return now
		}
	}
	return cfg
}

// current returns a catalogue that is right about one name.
func (p *Project) current(name string) (*catalogue, error) {
	cat, err := p.known()
	if err != nil {
		return nil, err
	}
	if cat != nil {
		if p.src.root == nil {
			return cat, nil
		}
		if c := cat.names[name]; c != nil && !c.unread() && p.holds(cat, c.rank()) {
			return cat, nil
		}
	}
	first := p.catalogue.Load() == nil
	if cat, err = p.renew(first); err != nil || first || cat.names[name] != nil {
		return cat, err
	}
	// Before a name is called unknown, every file is read, whatever its stamp.
	return p.renew(true)
}

// allNames returns a catalogue that is right about every name, and whether all
// of .claude/agents was read for it just now.
func (p *Project) allNames() (cat *catalogue, read bool, err error) {
	cat, err = p.known()
	if err != nil {
		return nil, false, err
	}
	if cat != nil && p.holds(cat, len(cat.tree.files)) {
		return cat, false, nil
	}
	first := p.catalogue.Load() == nil
	cat, err = p.renew(first)
	return cat, first, err
}

// known returns the last catalogue if claude.json is still the same, else nil.
func (p *Project) known() (*catalogue, error) {
	if p.closed.Load() {
		return nil, closedError()
	}
	cfg := p.readConfig()
	if cfg.err != nil {
		return nil, cfg.err
	}
	cat := p.catalogue.Load()
	if cat == nil || cat.config != cfg {
		return nil, nil
	}
	return cat, nil
}

// holds reports whether the folders and the first so many files of .claude/agents
// are as the catalogue says.
func (p *Project) holds(c *catalogue, files int) bool {
	return p.src.root == nil || p.src.unchanged(c.tree, files)
}

// renew makes a new catalogue. If all is set, it reads every file; else only
// those that may have changed.
func (p *Project) renew(all bool) (*catalogue, error) {
	p.renewing.Lock()
	defer p.renewing.Unlock()
	cfg := p.readConfig()
	if cfg.err != nil {
		return nil, cfg.err
	}
	var old *tree
	if cat := p.catalogue.Load(); cat != nil && !all {
		old = cat.tree
	}
	cat := newCatalogue(cfg, p.src.walk(old))
	p.catalogue.Store(cat)
	return cat, nil
}

// want says how an agent is loaded.
type want struct {
	// keep lets it push another agent out of the cache.
	keep bool
	// trust takes what the catalogue knows of the definition as read just now.
	trust bool
}

// load returns a candidate's agent as its files are now.
func (p *Project) load(c *candidate, cfg *config, w want) (*loaded, error) {
	p.mu.Lock()
	cached := p.cache.get(c.name)
	p.mu.Unlock()
	if cached != nil && p.fresh(cached, c, cfg) {
		return cached, nil
	}
	built, err := p.src.build(c, cfg, w.trust)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if other := p.cache.get(c.name); other != nil && other.same(built) {
		return other, nil // another caller was quicker: all share one agent
	}
	if w.keep || !p.cache.full() {
		p.cache.put(built)
	}
	return built, nil
}

// fresh reports whether an agent is still what its files say.
func (p *Project) fresh(l *loaded, c *candidate, cfg *config) bool {
	if p.src.root == nil {
		return true
	}
	if c.entry == nil {
		cfg = nil
	}
	if l.config != cfg || l.agent.File != c.file {
		return false
	}
	for _, d := range l.docs {
		if p.src.read(d.file, d.kind, d) != d {
			return false
		}
	}
	return true
}
