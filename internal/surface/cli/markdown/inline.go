package markdown

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"
	gfm "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/util"
)

// prose returns the inline nodes in a block as styled text.
func (r *renderer) prose(block ast.Node, s style) prose {
	_, cell := block.(*gfm.TableCell)
	in := inliner{source: r.source, cell: cell}
	in.children(block, s)
	return in.prose
}

// inliner flattens inline nodes.
type inliner struct {
	source []byte
	cell   bool // of a table, where a pipe in code is escaped
	prose
}

func (in *inliner) children(parent ast.Node, s style) {
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		in.node(n, s)
	}
}

func (in *inliner) node(n ast.Node, s style) {
	switch n := n.(type) {
	case *ast.Text:
		in.literal(n, s)
	case *ast.CodeSpan:
		in.children(n, s|tint)
	case *ast.Emphasis:
		if n.Level == 1 {
			in.children(n, s|italic)
		} else {
			in.children(n, s|bold)
		}
	case *ast.Link:
		in.link(n, n.Destination, n.Title, s)
	case *ast.Image:
		in.link(n, n.Destination, n.Title, s)
	case *ast.AutoLink:
		in.add(s, string(n.Label(in.source)))
	case *ast.RawHTML:
		in.html(n.Segments.Value(in.source), s)
	case *gfm.TaskCheckBox: // it is in the marker of its item
	default:
		in.children(n, s)
	}
}

func (in *inliner) literal(n *ast.Text, s style) {
	value := n.Segment.Value(in.source)
	switch {
	case !n.IsRaw():
		in.add(s, unescape(value))
	case in.cell:
		in.add(s, strings.ReplaceAll(string(value), `\|`, "|"))
	default:
		in.add(s, string(value))
	}
	switch {
	case n.HardLineBreak():
		in.lineBreak()
	case n.SoftLineBreak():
		in.add(s, " ")
	}
}

// link adds the text of a link or an image, and where it leads.
func (in *inliner) link(n ast.Node, destination, title []byte, s style) {
	start := len(in.text)
	in.children(n, s)
	label, target := in.text[start:], unescape(destination)
	if target == label || target == "mailto:"+label {
		target = ""
	}
	if len(title) > 0 {
		target = strings.TrimSpace(target + ` "` + unescape(title) + `"`)
	}
	if target == "" {
		return
	}
	if label != "" {
		in.add(s, " ")
	}
	in.add(s|dim, "("+target+")")
}

// html adds a tag as it is written, but a line break as what it means.
func (in *inliner) html(tag []byte, s style) {
	name := bytes.TrimSpace(bytes.Trim(tag, "</>"))
	if bytes.EqualFold(name, []byte("br")) {
		in.lineBreak()
		return
	}
	in.add(s|dim, string(tag))
}

// unescape resolves backslashes and character references. What they stand for
// is made visible, for a reference may name any control character.
func unescape(source []byte) string {
	if !bytes.ContainsAny(source, `\&`) {
		return string(source)
	}
	var text strings.Builder
	for i := 0; i < len(source); {
		switch rest := source[i:]; {
		case rest[0] == '\\' && len(rest) > 1 && util.IsPunct(rest[1]):
			text.WriteByte(rest[1])
			i += 2
		case rest[0] == '&':
			value, size := reference(rest)
			text.WriteString(strings.Map(visible, value))
			i += size
		default:
			text.WriteByte(rest[0])
			i++
		}
	}
	return text.String()
}

// reference returns what the character reference at the start of source stands
// for, and its size there; a lone ampersand stands for itself.
func reference(source []byte) (value string, size int) {
	const longest = len("&CounterClockwiseContourIntegral;")
	end := bytes.IndexByte(source[:min(len(source), longest)], ';')
	if end < 2 {
		return "&", 1
	}
	name := string(source[1:end])
	if digits, ok := strings.CutPrefix(name, "#"); ok {
		if r, ok := codePoint(digits); ok {
			return string(r), end + 1
		}
	} else if entity, ok := util.LookUpHTML5EntityByName(name); ok {
		return string(entity.Characters), end + 1
	}
	return "&", 1
}

// codePoint returns the character with a number, decimal or hexadecimal after
// an x. Numbers of no character stand for U+FFFD.
func codePoint(digits string) (r rune, ok bool) {
	base, longest := 10, 7
	if strings.HasPrefix(digits, "x") || strings.HasPrefix(digits, "X") {
		digits, base, longest = digits[1:], 16, 6
	}
	number, err := strconv.ParseUint(digits, base, 32)
	if err != nil || len(digits) > longest {
		return 0, false
	}
	if number == 0 || !utf8.ValidRune(rune(number)) {
		return utf8.RuneError, true
	}
	return rune(number), true
}
