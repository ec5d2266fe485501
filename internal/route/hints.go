package route

// hint is a word or two that say how much work an order is. A word that ends
// in * is a beginning.
type hint struct {
	word, next string
	// weight is in log-odds; negative for easy work.
	weight float64
	kind   hintKind
}

type hintKind uint8

const (
	build hintKind = iota
	simple
	text
	looks
	proof
	parallel
	spread
	deep
	design
	change
	search
	speed
	guard
	wide
)

var hintNames = [...]string{
	build: "building", simple: "a small change", text: "work on words", looks: "work on looks", proof: "proofs and invariants",
	parallel: "concurrency", spread: "distributed systems", deep: "compilers, kernels, algorithms", design: "design and trade-offs",
	change: "a large change of what exists", search: "a cause to be found", speed: "performance", guard: "security", wide: "many places at once",
}

func (h *hint) about() string {
	name := hintNames[h.kind] + ": " + plain(h.word)
	if h.next != "" {
		name += " " + plain(h.next)
	}
	return name
}

func plain(pattern string) string {
	if n := len(pattern) - 1; pattern[n] == '*' {
		return pattern[:n] + "…"
	}
	return pattern
}

// strongHint is the weight from which one hint makes a question hard.
const strongHint = 0.9

// hints are sorted by the first letter. The weights were set by hand, since no
// labelled orders are to be had; docs/routing.md has the figure on a set of
// tasks that did not take part.
var hints = [...]hint{
	{"acceptance", "", 0.3, build},
	{"across", "all", 0.6, wide},
	{"across", "the", 0.5, wide},
	{"alignment", "", -0.4, looks},
	{"algorithm*", "", 0.7, deep},
	{"allocator", "", 1.0, deep},
	{"alphabet*", "", -0.8, simple},
	{"approximat*", "", 0.6, deep},
	{"architect*", "", 1.0, design},
	{"atomic*", "", 0.6, parallel},
	{"attack*", "", 0.6, guard},
	{"audit*", "", 0.7, guard},
	{"backoff", "", 0.3, spread},
	{"backward*", "compat*", 0.6, change},
	{"benchmark*", "", 0.4, speed},
	{"bottleneck*", "", 0.8, speed},
	{"build", "", 0.3, build},
	{"bump", "", -0.9, simple},
	{"button", "", -0.5, looks},
	{"byzantine", "", 1.6, spread},
	{"capitali*", "", -0.8, text},
	{"changelog", "", -0.7, text},
	{"codebase", "", 0.4, wide},
	{"color", "", -0.7, looks},
	{"colour", "", -0.7, looks},
	{"comment", "", -0.6, text},
	{"comments", "", -0.6, text},
	{"commit", "message", -0.8, text},
	{"compiler*", "", 1.1, deep},
	{"complexity", "", 0.5, deep},
	{"concurren*", "", 1.1, parallel},
	{"consensus", "", 1.4, spread},
	{"consisten*", "", 0.4, spread},
	{"correctness", "", 0.8, proof},
	{"corrupt*", "", 0.9, search},
	{"crash*", "", 0.4, search},
	{"crdt*", "", 1.5, spread},
	{"cryptograph*", "", 1.0, guard},
	{"css", "", -0.3, looks},
	{"data", "race*", 1.3, parallel},
	{"deadlock*", "", 1.4, parallel},
	{"design", "", 0.8, design},
	{"diagnos*", "", 0.8, search},
	{"distributed", "", 1.2, spread},
	{"docstring*", "", -0.9, text},
	{"dropdown", "", -0.6, looks},
	{"end", "to", 0.3, wide},
	{"entire", "", 0.5, wide},
	{"event", "sourc*", 0.9, spread},
	{"eventual*", "consist*", 1.0, spread},
	{"every", "service", 0.6, wide},
	{"exactly", "once", 1.4, spread},
	{"exploit*", "", 1.0, guard},
	{"failover", "", 0.9, spread},
	{"fault", "toleran*", 1.0, spread},
	{"flaky", "", 0.8, search},
	{"font*", "", -0.7, looks},
	{"footer", "", -0.5, looks},
	{"formal*", "", 0.9, proof},
	{"format", "", -0.6, simple},
	{"from", "scratch", 0.7, design},
	{"garbage", "collect*", 1.1, deep},
	{"gitignore", "", -1.2, simple},
	{"grammar", "", -0.3, text},
	{"greeting", "", -0.6, text},
	{"heap", "", 0.4, deep},
	{"hello", "", -0.8, simple},
	{"high", "availab*", 0.9, spread},
	{"icon*", "", -0.6, looks},
	{"idempoten*", "", 0.8, spread},
	{"implement", "", 0.5, build},
	{"import", "", -0.3, simple},
	{"imports", "", -0.7, simple},
	{"indent*", "", -0.8, simple},
	{"intermittent*", "", 1.0, search},
	{"invariant*", "", 1.2, proof},
	{"investigate", "", 0.7, search},
	{"jit", "", 1.1, deep},
	{"justify", "", 0.4, design},
	{"kernel", "", 0.9, deep},
	{"label*", "", -0.5, looks},
	{"latency", "", 0.6, speed},
	{"leak*", "", 0.9, search},
	{"license", "header*", -0.8, text},
	{"linearizab*", "", 1.7, proof},
	{"lint*", "", -0.6, simple},
	{"liveness", "", 1.2, proof},
	{"lock", "free", 1.5, parallel},
	{"log", "line", -0.5, simple},
	{"log", "message", -0.6, simple},
	{"logo", "", -0.6, looks},
	{"lowercase", "", -0.8, simple},
	{"margin*", "", -0.6, looks},
	{"memory", "model", 1.2, parallel},
	{"memory", "order*", 1.4, parallel},
	{"microservice*", "", 0.7, design},
	{"migrat*", "", 0.7, change},
	{"monolith*", "", 0.8, change},
	{"multi", "region", 1.2, spread},
	{"multi", "tenan*", 0.9, design},
	{"np", "hard", 1.3, deep},
	{"one", "line", -0.6, simple},
	{"oneline*", "", -0.8, simple},
	{"optimal*", "", 0.7, deep},
	{"optimis*", "", 0.6, speed},
	{"optimiz*", "", 0.6, speed},
	{"padding", "", -0.7, looks},
	{"paxos", "", 1.6, spread},
	{"placeholder", "", -0.6, looks},
	{"pluraliz*", "", -0.6, text},
	{"profil*", "", 0.5, speed},
	{"proof*", "", 1.0, proof},
	{"protocol", "", 0.6, spread},
	{"prove", "", 1.4, proof},
	{"quotes", "", -0.6, text},
	{"race", "condition*", 1.4, parallel},
	{"race", "in", 1.3, parallel},
	{"raft", "", 1.3, spread},
	{"readme", "", -0.7, text},
	{"rearchitect*", "", 1.2, design},
	{"redesign*", "", 0.7, design},
	{"refactor*", "", 0.5, change},
	{"remove", "unused", -0.6, simple},
	{"rename", "", -1.2, simple},
	{"replicat*", "", 0.9, spread},
	{"reproduce", "", 0.4, search},
	{"rewrite", "", 0.4, change},
	{"rollback*", "", 0.5, change},
	{"root", "cause*", 1.0, search},
	{"scalab*", "", 0.8, design},
	{"scheduler", "", 0.8, deep},
	{"segfault*", "", 1.0, search},
	{"semicolon*", "", -1.0, simple},
	{"sharding", "", 1.0, spread},
	{"shards", "", 0.8, spread},
	{"simd", "", 1.0, speed},
	{"sort", "the", -0.5, simple},
	{"spelling", "", -1.2, text},
	{"state", "machine", 0.6, design},
	{"strateg*", "", 0.4, design},
	{"summari*", "", -0.5, text},
	{"test", "name*", -0.5, simple},
	{"thread", "safe*", 1.0, parallel},
	{"threat", "model*", 1.0, guard},
	{"throughput", "", 0.7, speed},
	{"title", "", -0.4, text},
	{"tooltip*", "", -0.6, looks},
	{"trade", "off*", 0.8, design},
	{"tradeoff*", "", 0.8, design},
	{"trailing", "", -0.8, simple},
	{"translat*", "", -0.4, text},
	{"type", "checker", 1.2, deep},
	{"type", "inference", 1.3, deep},
	{"type", "system", 1.1, deep},
	{"typo*", "", -1.5, text},
	{"under", "load", 0.7, search},
	{"unused", "", -0.5, simple},
	{"uppercase", "", -0.8, simple},
	{"verif*", "", 0.3, proof},
	{"vulnerab*", "", 0.9, guard},
	{"wait", "free", 1.6, parallel},
	{"whitespace", "", -1.0, simple},
	{"whole", "", 0.3, wide},
	{"why", "", 0.3, search},
	{"wording", "", -0.8, text},
	{"write", "a", 0.1, build},
	{"zero", "downtime", 1.0, change},
}

// isOrder reports whether a word, near the beginning, makes a text an order.
func isOrder(word string) bool {
	switch word {
	case "add", "adjust", "align", "analyse", "analyze", "apply", "architect", "audit", "build", "bump", "capitalize", "change", "check",
		"clean", "configure", "convert", "correct", "create", "debug", "delete", "deploy", "describe", "design", "develop", "diagnose",
		"document", "draft", "drop", "enable", "disable", "explain", "extend", "extract", "fix", "format", "generate", "implement",
		"improve", "investigate", "make", "merge", "migrate", "move", "optimise", "optimize", "outline", "plan", "port", "profile",
		"propose", "prove", "refactor", "remove", "rename", "reorder", "replace", "review", "rewrite", "set", "simplify", "sort",
		"split", "summarise", "summarize", "swap", "test", "translate", "tweak", "update", "upgrade", "verify", "write":
		return true
	}
	return false
}
