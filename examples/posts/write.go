package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hallpass-go/hallpass"
)

func (a *api) create(r request) (answer, error) {
	var c content
	if err := r.ReadJSON(&c); err != nil {
		return answer{}, err
	}
	p, err := a.posts.add(r.Context(), r.Identity.Subject, c)
	if err = a.written(r, p.ID, err); err != nil {
		return answer{}, err
	}
	location := http.Header{"Location": {fmt.Sprintf("/posts/%d", p.ID)}}
	return answer{Status: http.StatusCreated, Header: location, Body: p}, nil
}

func (a *api) change(r request) (answer, error) {
	var c content
	if err := r.ReadJSON(&c); err != nil {
		return answer{}, err
	}
	p, err := a.posts.change(r.Context(), r.PathValue("id"), c)
	return answer{Body: p}, a.written(r, p.ID, err)
}

func (a *api) remove(r request) (answer, error) {
	p, err := a.posts.remove(r.Context(), r.PathValue("id"))
	return answer{}, a.written(r, p.ID, err)
}

// written ends what is kept of a post and of the lists, once it has been written and before the answer
// says so. So the next read sees it, also if the client hangs up meanwhile.
func (a *api) written(r request, id int64, err error) error {
	if err != nil {
		return err
	}
	ctx := context.WithoutCancel(r.Context())
	if err := a.cache.Invalidate(ctx, fmt.Sprintf("post %d", id), "posts"); err != nil {
		return hallpass.ErrStoreUnavailable.Because(err)
	}
	return nil
}
