package main

import (
	"net/http"
	"strconv"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/httpcache"
	"github.com/hallpass-go/hallpass/ratelimit"
)

type (
	identity = hallpass.Identity[struct{}]
	request  = hallpass.Request[struct{}]
	route    = hallpass.Route[struct{}]
	answer   = hallpass.Answer
)

type api struct {
	verifier *hallpass.Verifier[struct{}]
	posts    *posts
	cache    *httpcache.Cache
	limits   *ratelimit.Limiter
}

// routes is the whole API. The rules run for each request; only then may the cache answer.
func (a *api) routes() http.Handler {
	reads, writes := hallpass.Check(a.limit("reads", 600)), hallpass.Check(a.limit("writes", 60))
	owner := hallpass.AnyOf(hallpass.Check(a.isAuthor), hallpass.Role("admin"))
	one := a.cache.Route(httpcache.Route{Tags: tagsOfOne, KeepNoCache: true})
	all := a.cache.Route(httpcache.Route{Tags: tagsOfAll, KeepNoCache: true, AnyOrder: true})
	mux := http.NewServeMux()
	for _, r := range []route{
		{
			Pattern: "GET /posts", Parameters: []string{"limit", "cursor"}, Rules: []hallpass.Rule{reads},
			Around: all, Serve: a.list,
		},
		{Pattern: "POST /posts", Rules: []hallpass.Rule{writes}, Serve: a.create},
		{Pattern: "GET /posts/{id}", Rules: []hallpass.Rule{reads}, Around: one, Serve: a.show},
		{Pattern: "PUT /posts/{id}", Rules: []hallpass.Rule{writes, owner}, Serve: a.change},
		{Pattern: "DELETE /posts/{id}", Rules: []hallpass.Rule{writes, owner}, Serve: a.remove},
	} {
		mux.Handle(r.Pattern, a.verifier.Handler(r))
	}
	return mux
}

func tagsOfOne(r *http.Request) []string { return []string{"post " + r.PathValue("id")} }
func tagsOfAll(*http.Request) []string   { return []string{"posts"} }

// limit lets each user do something so often in a minute.
func (a *api) limit(name string, often int) func(*http.Request, identity) error {
	limit := ratelimit.Limit{Name: name, Burst: often, Per: time.Minute}
	return func(r *http.Request, id identity) error {
		return a.limits.Take(r.Context(), ratelimit.Charge{Limit: limit, Key: id.Subject, Cost: 1})
	}
}

func (a *api) isAuthor(r *http.Request, id identity) error {
	p, err := a.posts.post(r.Context(), r.PathValue("id"))
	if err == nil && p.Author != id.Subject {
		err = hallpass.ErrNotOwner
	}
	return err
}

type list struct {
	Items []post  `json:"items"`
	Next  *string `json:"next_cursor"`
}

func (a *api) list(r request) (answer, error) {
	limit, after := 50, int64(0)
	for name, value := range r.Query {
		n, err := strconv.ParseInt(value[0], 10, 64)
		if err != nil || n < 1 || name == "limit" && n > 200 {
			return answer{}, hallpass.ErrMalformedRequest.WithDetail(name + " is no number, or too large.")
		}
		if name == "limit" {
			limit = int(n)
		} else {
			after = n
		}
	}
	page, err := a.posts.page(r.Context(), after, limit+1)
	l := list{Items: page}
	if len(page) > limit {
		l.Items = page[:limit]
		next := strconv.FormatInt(l.Items[limit-1].ID, 10)
		l.Next = &next
	}
	return answer{Body: l}, err
}

func (a *api) show(r request) (answer, error) {
	p, err := a.posts.post(r.Context(), r.PathValue("id"))
	return answer{Body: p}, err
}

type content struct {
	Title *string `json:"title" hallpass:"required"`
	Text  *string `json:"text" hallpass:"required"`
}
