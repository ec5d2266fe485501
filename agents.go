package claudeforce

import (
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/project"
	"github.com/claude-force/claude-force/internal/prompt"
)

// Agent is a named agent of the project, or of the built-in library.
type Agent struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	// Model is what the agent's file asks for; empty means the setting.
	Model string `json:"model"`
	// MinModel is the least line that a choice by itself may take; empty is no
	// floor.
	MinModel string `json:"min_model,omitempty"`
	Effort   string `json:"effort,omitempty"`
	// Origin is "claude.json" or "sub-agent".
	Origin       string   `json:"origin"`
	File         string   `json:"file"`
	ContractFile string   `json:"contract,omitempty"`
	Domains      []string `json:"domains"`
	// Examples are tasks the agent is meant for, as its file gives them.
	Examples []string `json:"examples,omitempty"`
	Priority string   `json:"priority,omitempty"`
	Tools    []string `json:"tools"`
	Skills   []string `json:"skills"`
	// Warnings are what was odd in the agent's files.
	Warnings []string `json:"warnings,omitempty"`
	// Definition and Contract are the texts that go into the prompt; only
	// [Engine.Agent] fills them.
	Definition string `json:"definition,omitempty"`
	Contract   string `json:"contract_text,omitempty"`
	// PromptTokens estimates the size of the agent's part of a prompt; only
	// [Engine.Agent] fills it.
	PromptTokens int `json:"prompt_tokens,omitempty"`
}

// Skill is a skill of the project.
type Skill struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	File        string `json:"file"`
}

// Source says where agents come from: a project's folder, or "the built-in
// library".
func (e *Engine) Source() string {
	if dir := e.project.Dir(); dir != "" {
		return dir
	}
	return "the built-in library"
}

// Agents returns the agents by name, and a sentence for each file that is not
// one or that is broken.
func (e *Engine) Agents() ([]Agent, []string, error) {
	list, err := e.project.Agents()
	if err != nil {
		return nil, nil, projectError(err)
	}
	out := make([]Agent, 0, len(list.Agents))
	for _, a := range list.Agents {
		out = append(out, summary(a))
	}
	return out, texts(list.Warnings), nil
}

// Agent returns one agent with its texts.
func (e *Engine) Agent(name string) (Agent, error) {
	a, found, err := e.project.Agent(name)
	if err != nil {
		return Agent{}, e.agentError(err)
	}
	out := summary(a)
	out.Warnings = texts(found)
	out.Definition, out.Contract = a.Definition, a.Contract
	c, err := e.catalogue()
	if err != nil {
		return Agent{}, err
	}
	family := ""
	if name, _, err := e.chooseModel(Run{}, a); err == nil {
		if m := c.Resolve(name, e.options.Now()).Model; m != nil {
			family = m.Tokenizer
		}
	}
	_, out.PromptTokens = prompt.Tokens(llm.Params{System: prompt.System(a, nil)}, family)
	return out, nil
}

// Skills returns the project's skills by name.
func (e *Engine) Skills() ([]Skill, []string, error) {
	skills, warnings, err := e.project.Skills()
	if err != nil {
		return nil, nil, projectError(err)
	}
	out := make([]Skill, 0, len(skills))
	for _, s := range skills {
		out = append(out, Skill{Name: s.Name, Description: s.Description, File: s.File})
	}
	return out, texts(warnings), nil
}

func summary(a *project.Agent) Agent {
	out := Agent{
		Name: a.Name, Description: a.Description, Model: a.Model, MinModel: a.MinModel, Effort: a.Effort,
		Origin: a.Origin, File: a.File, ContractFile: a.ContractFile,
		Domains: nonNil(a.Domains), Examples: a.Examples, Priority: a.Priority, Tools: nonNil(a.Tools),
		Skills: []string{}, Warnings: texts(a.Warnings),
	}
	for _, s := range a.Skills {
		out.Skills = append(out.Skills, s.Name)
	}
	return out
}

func texts(warnings []project.Warning) []string {
	var out []string
	for _, w := range warnings {
		out = append(out, w.String())
	}
	return out
}

func nonNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
