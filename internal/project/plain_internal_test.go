package project

import (
	"reflect"
	"testing"
)

// FuzzPlainYAML holds the reading without a parser against the parser.
func FuzzPlainYAML(f *testing.F) {
	for _, s := range []string{
		"name: a\ndescription: Reviews C# code, and a:b [x] \"y\" 'z'\ntools: Read, Grep(git add:*)",
		"a: b\n", "a: b\n\n", "a: b \nb-1_2: c", "a: yes", "a: null", "a: b: c", "a: b #c", "a:  b", "a: b\n c", "a: b\na: c",
		"null: a", "true: b", "a: b:", "a: x\t", "a: b\r\nc: d", "a: -", "a: b - c", "a: ? ", "a: b\n---", "---: a", "a: =", "y: n", "a: <<",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := plainYAML(text, 3)
		if !ok {
			return
		}
		root, fault := decodeYAML(text, 3)
		if fault != nil || root == nil {
			t.Fatalf("%q was taken, YAML says %+v", text, fault)
		}
		var want []field
		for i := 0; i+1 < len(root.Content); i += 2 {
			k, v := root.Content[i], root.Content[i+1]
			want = append(want, field{key: k.Value, text: scalar(v), line: 3 + k.Line, column: k.Column})
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q reads as %+v, YAML says %+v", text, got, want)
		}
	})
}
