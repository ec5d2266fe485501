package selector

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"CI/CD with GitHub":             "+cicd ci cd with github",
		"robots.txt, sitemap.xml.":      "+robotstxt robots txt +sitemapxml sitemap xml",
		"C++ and C# but not .NET":       "c++ and c# but not dotnet",
		"node.js Next.js":               "+nodejs node js +nextjs next js",
		"don't touch the user’s e‑mail": "dont touch the user e mail",
		"well-known...really?":          "+wellknownreally well known really",
		"/api/v2/users/42/orders.json":  "api v2 users 42 orders json",
		"#1 @home +1 -- & a_b":          "1 home 1 +ab a b",
		"数据库 迁移":                        "数据 据库 迁移",
		"好":                             "好",
		"Größe STRASSE":                 "größe strasse",
		"👩‍💻 ok":                        "ok",
		"a\xffb":                        "a b",
		"F# o'clock rock'n'roll":        "f# oclock rocknroll",
		strings.Repeat("x", 50):         "",
		"":                              "",
	} {
		var got []string
		eachWord(text, func(word string, compound bool) {
			if compound {
				word = "+" + word
			}
			got = append(got, word)
		})
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q: got %q, want %q", text, s, want)
		}
	}
}

func FuzzWords(f *testing.F) {
	f.Add("CI/CD, robots.txt; C++ 数据库 👩‍💻 \xff")
	f.Fuzz(func(t *testing.T, text string) {
		eachWord(text, func(word string, _ bool) {
			if word == "" || len(word) > longestWord*2 || strings.ContainsAny(word, " \n\t") {
				t.Errorf("%q has the word %q", text, word)
			}
		})
		if c := cut(text, 10); len(c) > 10 || !strings.HasPrefix(text, c) || utf8.ValidString(text) && !utf8.ValidString(c) {
			t.Errorf("%q is cut to %q", text, c)
		}
	})
}

func FuzzDocuments(f *testing.F) {
	f.Add("# A\n## When to use\n- x (use b)\n```\ncode\n", "Use when: x; y. Examples: user: \"z\" <example>")
	f.Fuzz(func(t *testing.T, body, description string) {
		docs := documents([]Agent{{Name: "a", Body: body, Description: description}, {Name: "b", Body: body}})
		for _, d := range docs {
			if len(d.use) > mostExamples || len(d.passages(mostPassages)) > mostPassages {
				t.Errorf("%+v", d)
			}
		}
	})
}

func TestDocument(t *testing.T) {
	boiler := "\n## Guardrails\n- Write only to work.md\n"
	docs := documents([]Agent{
		{Name: "one", Domains: []string{"d"}, Body: "# One\n## Role\nOne - says it all in one line.\n## When to use\n✅ **Use for:**\n- Apples\n❌ **Don't use for:**\n- Pears (use two)\n- Plums\n```\nskip()\n```" + boiler},
		{Name: "two", Description: "Pears. Use when: they rot; they fall.", Body: "# Two\n## Role\nTwo - says it all in one line.\n" + boiler},
		{Name: "three", Body: "## Role\nThree - says it all in one line.\n" + boiler, WhenToUse: "- first\n- second"},
	})
	if d := docs[0]; d.about != "One" || strings.Join(d.use, "|") != "Apples" || len(d.rest) != 0 || len(d.refused) != 2 {
		t.Errorf("got %+v", d)
	}
	if d := docs[1]; strings.Join(d.use, "|") != "they rot|they fall" || strings.Join(d.skills, "|") != "Pears" {
		t.Errorf("got %+v", d)
	}
	if d := docs[2]; strings.Join(d.use, "|") != "first|second" {
		t.Errorf("got %+v", d)
	}
}
