package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/claude-force/claude-force/internal/memory"
)

// errNoSessions says that a file is another one than was meant.
var errNoSessions = errors.New("it has no table of sessions")

// ForeignSessions implements [memory.Importer].
func (d *Sessions) ForeignSessions(ctx context.Context, path string, columns []string, visit func([]any) error) error {
	if _, err := os.Stat(path); err != nil {
		return err
	}
	q := url.Values{"mode": {"ro"}}
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()))
	q.Add("_pragma", "query_only(on)")
	q.Add("_pragma", "trusted_schema(off)")
	pool, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return err
	}
	defer pool.Close()
	query, err := foreignQuery(ctx, pool, columns)
	if err != nil {
		return explain("read "+path, err)
	}
	rows, err := pool.QueryContext(ctx, query)
	if err != nil {
		return explain("read "+path, err)
	}
	defer rows.Close()
	for rows.Next() {
		values, err := scanForeign(rows, len(columns))
		if err != nil {
			return explain("read "+path, err)
		}
		if err := visit(values); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return explain("read "+path, err)
	}
	return nil
}

// scanForeign reads pairs of a mark and a value.
func scanForeign(rows *sql.Rows, columns int) ([]any, error) {
	pairs := make([]any, 2*columns)
	to := make([]any, len(pairs))
	for i := range pairs {
		to[i] = &pairs[i]
	}
	if err := rows.Scan(to...); err != nil {
		return nil, err
	}
	values := make([]any, columns)
	for i := range values {
		values[i] = pairs[2*i+1]
		if large, _ := pairs[2*i].(int64); large != 0 {
			values[i] = memory.TooLarge{}
		}
	}
	return values, nil
}

// foreignQuery selects the columns that there are, each with a mark that it is
// too large. What is declared a time is read as it stands, not as the driver
// would understand it.
func foreignQuery(ctx context.Context, pool *sql.DB, columns []string) (string, error) {
	rows, err := pool.QueryContext(ctx, "SELECT name FROM pragma_table_info('sessions')")
	if err != nil {
		return "", err
	}
	defer rows.Close()
	there := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return "", err
		}
		there[name] = true
	}
	if err := rows.Err(); err != nil {
		return "", err
	}
	if len(there) == 0 {
		return "", errNoSessions
	}
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = "0, NULL"
		if there[c] {
			large := fmt.Sprintf("octet_length(%q) > %d", c, memory.MaxForeign)
			list[i] = fmt.Sprintf("%s, CASE WHEN %s THEN NULL ELSE %q END", large, large, c)
		}
	}
	return "SELECT " + strings.Join(list, ", ") + " FROM sessions", nil
}
