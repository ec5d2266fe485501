package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/claude-force/claude-force/internal/memory"
)

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
		return explainForeign(path, err)
	}
	rows, err := pool.QueryContext(ctx, query)
	if err != nil {
		return explainForeign(path, err)
	}
	defer rows.Close()
	for rows.Next() {
		values, err := scanForeign(rows, len(columns))
		if err != nil {
			return explainForeign(path, err)
		}
		if err := visit(values); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return explainForeign(path, err)
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
		return "", memory.ErrForeign
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

// explainForeign adds to an error whose file it is.
func explainForeign(path string, err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("read %s: %w (%w)", path, memory.ErrForeign, err)
		}
	}
	return fmt.Errorf("read %s: %w", path, err)
}
