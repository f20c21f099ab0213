// Package asker says in a context who asks for something. The limits on guesses find it out, and the
// governor of passwords takes turns by it.
package asker

import "context"

type key struct{}

type asker struct {
	name  string
	known bool
}

// With returns a context that names who asks, by their address or whatever stands for them, and says
// whether they have proved lately, from there, who they are.
func With(ctx context.Context, name string, known bool) context.Context {
	return context.WithValue(ctx, key{}, asker{name, known})
}

// Of returns what [With] has said, or an empty name.
func Of(ctx context.Context) (name string, known bool) {
	a, _ := ctx.Value(key{}).(asker)
	return a.name, a.known
}
