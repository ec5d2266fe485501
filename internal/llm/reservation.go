package llm

import "context"

type reservationKey struct{}

// WithReservation marks what is done under a reservation of money.
func WithReservation(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, reservationKey{}, id)
}

// ReservationOf is the reservation under which something is done, or empty.
func ReservationOf(ctx context.Context) string {
	id, _ := ctx.Value(reservationKey{}).(string)
	return id
}
