package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

type versionCommand struct{ jsonFlag }

// Run prints the version information that the build recorded.
func (c *versionCommand) Run(std streams) error {
	version, revision, modified := "unknown", "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = " " + s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				modified = " with changes"
			}
		}
	}
	if c.JSON {
		return json.NewEncoder(std.out).Encode(map[string]string{
			"version": version, "revision": strings.TrimSpace(revision + modified), "go": runtime.Version(),
			"platform": runtime.GOOS + "/" + runtime.GOARCH,
		})
	}
	_, err := fmt.Fprintf(std.out, "hallpass %s%s%s %s %s/%s\n", version, revision, modified,
		runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
