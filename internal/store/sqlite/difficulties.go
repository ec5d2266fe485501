package sqlite

import "context"

// mostDifficulties is how many of the latest tasks are kept.
const mostDifficulties = 4096

// SaveDifficulty keeps how hard a task was found, 0 to 1. It does not wait.
func (db *DB) SaveDifficulty(difficulty float64) error {
	return db.post(func(s *statements) error {
		if err := s.run("INSERT INTO difficulties (difficulty) VALUES (?)", difficulty); err != nil {
			return err
		}
		return s.run("DELETE FROM difficulties WHERE id <= (SELECT max(id) FROM difficulties) - ?", mostDifficulties)
	})
}

// Difficulties returns how hard the latest tasks were found.
func (db *DB) Difficulties(ctx context.Context) ([]float64, error) {
	rows, err := db.sql.QueryContext(ctx, "SELECT difficulty FROM difficulties ORDER BY id")
	if err != nil {
		return nil, explain("read the ledger", err)
	}
	defer rows.Close()
	var list []float64
	for rows.Next() {
		var d float64
		if err := rows.Scan(&d); err != nil {
			return nil, explain("read the ledger", err)
		}
		list = append(list, d)
	}
	return list, rows.Err()
}
