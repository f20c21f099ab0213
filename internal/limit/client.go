package limit

import "context"

type clientKey struct{}

// client is what a context says about who asks.
type client struct {
	name  string
	known bool
}

// WithClient returns a context that names a client, by its [Place] or whatever stands for it, and says
// whether it has proved lately, from there, who it is.
func WithClient(ctx context.Context, name string, known bool) context.Context {
	return context.WithValue(ctx, clientKey{}, client{name, known})
}

// ClientOf returns what [WithClient] has said, or an empty name.
func ClientOf(ctx context.Context) (name string, known bool) {
	c, _ := ctx.Value(clientKey{}).(client)
	return c.name, c.known
}

// Context returns a context that names the client of the attempt.
func (a Attempt) Context(ctx context.Context) context.Context {
	return WithClient(ctx, a.Place, a.Known)
}
