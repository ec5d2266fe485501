package sim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claude-force/claude-force/internal/model"
)

// listModels answers GET /v1/models.
func (s *Server) listModels(x *exchange) *apiError {
	query := x.r.URL.Query()
	stages := append(query["lifecycle[]"], query["lifecycle"]...)
	if len(stages) == 0 {
		stages = []string{string(model.Active), string(model.Deprecated)}
	}
	now := s.now()
	models := slices.DeleteFunc(s.catalogue.Models(), func(m *model.Model) bool {
		return !slices.Contains(stages, string(m.LifecycleAt(now)))
	})
	page, err := pageOf(query, models, func(m *model.Model) string { return m.ID })
	if err != nil {
		return err
	}
	writeJSON(x.w, http.StatusOK, page.append(nil, func(b []byte, m *model.Model) []byte { return appendModel(b, m, now) }))
	return nil
}

// getModel answers GET /v1/models/{id}; an alias gives the model it stands
// for. Retired models are on record, but are not found here either.
func (s *Server) getModel(x *exchange) *apiError {
	m, err := s.find(strings.TrimPrefix(x.r.URL.Path, "/v1/models/"))
	if err != nil {
		return err
	}
	writeJSON(x.w, http.StatusOK, appendModel(nil, m, s.now()))
	return nil
}

// appendModel appends the record of a model.
func appendModel(b []byte, m *model.Model, now time.Time) []byte {
	stage := m.LifecycleAt(now)
	deprecated, retires := "", ""
	if stage != model.Active {
		deprecated, retires = dayTime(m.Deprecated), dayTime(m.Retires)
	}
	b = append(b, `{"type":"model"`...)
	b = appendMember(b, "id", m.ID)
	b = appendMember(b, "display_name", displayName(m.ID))
	b = appendMember(b, "created_at", createdAt(m.ID))
	b = appendMember(b, "lifecycle", string(stage))
	b = appendMember(b, "line", m.Line)
	b = appendMember(b, "deprecated_at", deprecated)
	b = appendMember(b, "retires_at", retires)
	b = appendInt(b, "max_input_tokens", m.Context)
	b = appendInt(b, "max_tokens", m.MaxOutput)
	return append(appendCapabilities(b, m), '}')
}

// appendCapabilities appends what the model takes in a request.
func appendCapabilities(b []byte, m *model.Model) []byte {
	b = append(b, `,"capabilities":{`...)
	b = appendSupport(b, "batch", m.Batch.Offered())
	for _, name := range []string{"citations", "image_input", "pdf_input"} {
		b = appendSupport(append(b, ','), name, true)
	}
	b = appendSupport(append(b, ','), "code_execution", false)
	b = append(b, `,"context_management":{"supported":false`...)
	for _, name := range []string{"clear_thinking_20251015", "clear_tool_uses_20250919", "compact_20260112"} {
		b = appendSupport(append(b, ','), name, false)
	}
	b = append(b, `},"effort":{"supported":`...)
	b = strconv.AppendBool(b, len(m.Efforts) > 0)
	for _, level := range []string{"low", "medium", "high", "xhigh", "max"} {
		b = appendSupport(append(b, ','), level, m.TakesEffort(level))
	}
	b = append(b, `},"server_tools":{"supported":false`...)
	for _, name := range []string{"code_execution", "web_search"} {
		b = appendSupport(append(b, ','), name, false)
	}
	b = appendSupport(append(b, '}', ','), "structured_outputs", m.StructuredOutput)
	b = append(b, `,"thinking":{"supported":`...)
	b = strconv.AppendBool(b, m.Thinking != model.Thinking{})
	b = append(b, `,"types":{`...)
	for i, kind := range []string{"adaptive", "between_tools", "disabled", "enabled"} {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendSupport(b, kind, takesThinking(m, kind))
	}
	return append(b, '}', '}', '}')
}

// takesThinking reports whether some request may use the thinking type.
func takesThinking(m *model.Model, kind string) bool {
	if kind == "between_tools" && m.Thinking.BetweenTools == "" {
		return false
	}
	return m.AcceptsThinking(kind, "high")
}

func appendSupport(b []byte, name string, supported bool) []byte {
	b = appendString(b, name)
	b = append(b, `:{"supported":`...)
	return append(strconv.AppendBool(b, supported), '}')
}

// dayTime returns a day as the API writes times; an unknown day is "".
func dayTime(day string) string {
	if day == "" {
		return ""
	}
	return day + "T00:00:00Z"
}

// createdAt returns the day in a model's id, or the epoch, which stands for a
// day that is not known.
func createdAt(id string) string {
	day := id[strings.LastIndexByte(id, '-')+1:]
	if t, err := time.Parse("20060102", day); err == nil {
		return t.Format(time.RFC3339)
	}
	return "1970-01-01T00:00:00Z"
}

// displayName writes an id as a name: claude-opus-4-5-20251101 is Claude Opus
// 4.5.
func displayName(id string) string {
	var name strings.Builder
	afterNumber := false
	for part := range strings.SplitSeq(id, "-") {
		number := part != "" && strings.Trim(part, "0123456789.") == ""
		switch {
		case part == "" || number && len(part) > 4:
			continue
		case number && afterNumber:
			name.WriteByte('.')
		case name.Len() > 0:
			name.WriteByte(' ')
		}
		afterNumber = number
		name.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return name.String()
}
