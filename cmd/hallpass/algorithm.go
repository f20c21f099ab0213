package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hallpass-go/hallpass/internal/keyring"
)

// algorithms are the ones that a server can sign with. Others verify with the published half of the
// key.
var algorithms = []string{"ES256", "ES384", "ES512", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}

// checkAlgorithm refuses an algorithm that a server cannot sign with. HMAC has only a secret key,
// so the server could publish neither keys nor verifiable revocations.
func checkAlgorithm(flag, name string) error {
	if slices.Contains(algorithms, name) {
		return nil
	}
	if isHMAC(name) {
		return fmt.Errorf(
			"%s: %s signs with a secret, and whoever verifies its tokens could forge them: give one whose public key "+
				"others verify with, like ES256 or EdDSA",
			flag,
			name,
		)
	}
	return fmt.Errorf("%s: %q is none of %s", flag, name, strings.Join(algorithms, ", "))
}

func isHMAC(algorithm string) bool { return strings.HasPrefix(algorithm, "HS") }

// signsForOthers refuses an installation whose key is a secret, which earlier versions could
// create.
func (in *installation) signsForOthers(ctx context.Context) error {
	keys, err := in.keys.List(ctx)
	for _, key := range keys {
		if key.State != keyring.Gone && isHMAC(string(key.Algorithm)) {
			return fmt.Errorf(
				"a signing key is for %s, and others cannot verify with a secret: start with another --data folder, "+
					"whose key will be for another algorithm",
				key.Algorithm,
			)
		}
	}
	return err
}
