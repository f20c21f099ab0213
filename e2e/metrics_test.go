package e2e

import (
	"net/http"
	"testing"
)

// The server's own address shows the metrics only where no proxy could pass strangers on.
func TestMetrics_whoSeesThem(t *testing.T) {
	t.Parallel()
	get := request{Do: "GET /metrics"}
	serve(t).do(get).want(200, "")
	serve(t, "--behind-proxy=127.0.0.1/32").do(get).want(404, "not_found")

	own := freeAddress(t)
	serve(t, "--metrics-addr="+own).do(get).want(404, "not_found")
	for path, want := range map[string]int{"/metrics": 200, "/v1/me": 404} {
		got, err := http.Get("http://" + own + path)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		if got.StatusCode != want {
			t.Errorf("the address of the metrics answers GET %s with %d, want %d", path, got.StatusCode, want)
		}
	}
}
