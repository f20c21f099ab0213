package password_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/hallpass-go/hallpass/password"
)

func Example() {
	encoded, err := password.Hash("the barn owl knits at dusk")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(encoded[:31])
	fmt.Println(password.Check(encoded, "the barn owl knits at dusk"))
	fmt.Println(password.Check(encoded, "the barn owl knits at dawn"))
	// Output:
	// $argon2id$v=19$m=19456,t=2,p=1$
	// <nil>
	// password: mismatch
}

func ExamplePolicy() {
	for _, chosen := range []string{"hunter2", "Password1234567", "brunhilde2024!!", "the barn owl knits at dusk"} {
		err := password.Policy{}.Validate(chosen, "brunhilde", "Hallpass")
		var refused *password.PolicyError
		if errors.As(err, &refused) {
			fmt.Println(refused.Reason)
			continue
		}
		fmt.Println("taken")
	}
	// Output:
	// too_short
	// too_common
	// too_common
	// taken
}

// A login: the same work whether or not there is such a user, and an upgrade of what was hashed
// long ago.
func ExampleGovernor() {
	governor, err := password.NewGovernor(password.GovernorConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	users := map[string]string{
		"ada": "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	}
	login := func(ctx context.Context, name, presented string) error {
		encoded, known := users[name]
		if !known {
			return governor.CheckDummy(ctx, presented)
		}
		needsRehash, err := governor.CheckNeedsRehash(ctx, encoded, presented)
		if err != nil {
			return err // an *OverloadedError says when to come again
		}
		if needsRehash {
			fresh, err := governor.Hash(ctx, presented)
			if err != nil {
				return nil // she is who she says; the upgrade can wait
			}
			users[name] = fresh
		}
		return nil
	}
	ctx := context.Background()
	fmt.Println(login(ctx, "ada", "password"))
	fmt.Println(login(ctx, "ada", "passwort"))
	fmt.Println(login(ctx, "nobody", "password"))
	fmt.Println(password.NeedsRehash(users["ada"], password.Params{}))
	// Output:
	// <nil>
	// password: mismatch
	// password: mismatch
	// false
}
