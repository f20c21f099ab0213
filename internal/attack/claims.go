package attack

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// laxTexts are texts that lax parsers accept as an object: RFC 8259, RFC 8725 §2.4, and the traps
// of encoding/json.
func laxTexts(object, member, value string) map[string]string {
	inside := strings.TrimSuffix(strings.TrimPrefix(object, "{"), "}")
	quoted := fmt.Sprintf("%q", member)
	escaped := fmt.Sprintf(`"\u%04x%s"`, member[0], member[1:])
	return map[string]string{
		"a duplicate before":    "{" + quoted + ":" + value + "," + inside + "}",
		"a duplicate after":     "{" + inside + "," + quoted + ":" + value + "}",
		"a duplicate by escape": "{" + inside + "," + escaped + ":" + value + "}",
		"a duplicate inside":    "{" + inside + `,"x":{"a":1,"a":2}}`,
		"a duplicate in a list": "{" + inside + `,"x":[{"a":1,"a":2}]}`,
		"nothing":               "",
		"null":                  "null",
		"a list":                "[" + object + "]",
		"a string":              fmt.Sprintf("%q", object),
		"a number":              "1",
		"two objects":           object + object,
		"something after":       object + "x",
		"a NUL after":           object + "\x00",
		"a byte order mark":     "\ufeff" + object,
		"cut":                   object[:len(object)-1],
		"a comma too many":      "{" + inside + ",}",
		"a comma first":         "{," + inside + "}",
		"a comment":             "{/**/" + inside + "}",
		"single quotes":         strings.ReplaceAll(object, `"`, `'`),
		"names without quotes":  strings.Replace(object, quoted, member, 1),
		"not UTF-8":             "{" + inside + ",\"x\":\"\xff\"}",
		"not UTF-8 in a name":   "{" + inside + ",\"\xc0\x80\":1}",
		"UTF-16":                "\xff\xfe{\x00}\x00",
		"a control character":   "{" + inside + ",\"x\":\"a\nb\"}",
		"half a surrogate pair": "{" + inside + `,"x":"\ud800"}`,
		"a bad escape":          "{" + inside + `,"x":"\x41"}`,
		"a leading zero":        "{" + inside + `,"x":01}`,
		"a plus":                "{" + inside + `,"x":+1}`,
		"NaN":                   "{" + inside + `,"x":NaN}`,
		"a dot without digits":  "{" + inside + `,"x":1.}`,
		"an unknown word":       "{" + inside + `,"x":nul}`,
		"33 levels":             "{" + inside + `,"x":` + strings.Repeat("[", 33) + strings.Repeat("]", 33) + "}",
		"1000 levels": "{" + inside + `,"x":` + strings.Repeat(`{"a":`,
			1000) + "1" + strings.Repeat(
			"}",
			1000,
		) + "}",
		"form feed between":      "{\f" + inside + "}",
		"no-break space between": "{\u00a0" + inside + "}",
	}
}

func (f *forger) headerText() {
	for name, header := range laxTexts(text(f.header()), "alg", `"none"`) {
		f.add("header text", name, f.raw(header, text(f.claims())))
	}
	for _, change := range [][2]string{{`"alg"`, `"ALG"`}, {`"kid"`, "\"\u212aid\""}, {`"typ"`, `"Typ"`}} {
		if header := text(f.header()); strings.Contains(header, change[0]) {
			f.add("header text", change[1], f.raw(strings.Replace(header, change[0], change[1], 1), text(f.claims())))
		}
	}
}

func (f *forger) claimText() {
	claims := f.claims()
	member := "sub"
	if claims[member] == nil {
		member = "exp"
	}
	for name, claims := range laxTexts(text(claims), member, `"admin"`) {
		f.add("claims text", name, f.raw(text(f.header()), claims))
	}
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "jti"} {
		if claims[name] != nil {
			other := with(with(claims, name, nil), strings.ToUpper(name), claims[name])
			f.add("claims text", strings.ToUpper(name), f.signed(f.header(), other))
		}
	}
}

// claimTypes: each claim missing or of a wrong type. CVE-2026-25537.
func (f *forger) claimTypes() {
	optional := map[string]bool{"client_id": true, "sid": true, "auth_time": true, "scope": true, "roles": true}
	for name := range f.claims() {
		if !optional[name] {
			f.add("missing claim", name, f.signed(f.header(), with(f.claims(), name, nil)))
		}
		for _, value := range []any{json.RawMessage("null"), true, false, "", "\x00", "a\nb", 1.5,
			-1, []any{}, []any{nil}, []any{1}, []any{[]any{}}, members{}, members{"a": 1}} {
			if fits(name, value) {
				continue
			}
			f.add("claim of a wrong type", fmt.Sprintf("%s %v", name, value),
				f.signed(f.header(), with(f.claims(), name, value)))
		}
	}
	f.add("claim of a wrong type", "nbf null", f.signed(f.header(), with(f.claims(), "nbf", json.RawMessage("null"))))
	f.add("claim of a wrong type", "nbf in words", f.signed(f.header(), with(f.claims(), "nbf", "0")))
	f.add("claim of a wrong type", "roles in a string", f.signed(f.header(), with(f.claims(), "roles", "admin")))
	f.add("claim of a wrong type", "scope in a list",
		f.signed(f.header(), with(f.claims(), "scope", []string{"read"})))
	for _, scope := range []string{" read", "read ", "read  write", "read\twrite", `re"ad`, `re\ad`, "réad"} {
		f.add("claim of a wrong type", "scope "+scope, f.signed(f.header(), with(f.claims(), "scope", scope)))
	}
}

// fits reports whether a value from the list in claimTypes is valid for a claim.
func fits(name string, value any) bool {
	list, isList := value.([]any)
	switch name {
	case "scope":
		return value == ""
	case "roles":
		return isList && len(list) == 0
	case "auth_time":
		return value == 1.5
	}
	return false
}

// dates: tokens that are not valid now. RFC 7519 §4.1.4, §4.1.5; CVE-2026-9097.
func (f *forger) dates() {
	now := f.Now.Unix()
	day := int64(24 * 60 * 60)
	for name, claims := range map[string]members{
		"expired a minute ago":  with(f.claims(), "exp", now-60),
		"expired long ago":      with(f.claims(), "exp", 0),
		"expires in text":       with(f.claims(), "exp", fmt.Sprint(now+300)),
		"expires in letters":    with(f.claims(), "exp", "never"),
		"expires never":         with(f.claims(), "exp", json.RawMessage("1e400")),
		"expires beyond int64":  with(f.claims(), "exp", json.RawMessage("1e30")),
		"expires beyond uint64": with(f.claims(), "exp", json.RawMessage("18446744073709551616")),
		"expires before 1970":   with(f.claims(), "exp", -1),
		"expires at minus zero": with(f.claims(), "exp", json.RawMessage("-0")),
		"lives for two days":    with(f.claims(), "exp", now+2*day),
		"lives for a year":      with(with(f.claims(), "exp", now+300), "iat", now-365*day),
		"issued tomorrow":       with(with(f.claims(), "iat", now+day), "exp", now+day+300),
		"issued in a minute":    with(f.claims(), "iat", now+60),
		"issued in text":        with(f.claims(), "iat", fmt.Sprint(now)),
		"not before tomorrow":   with(f.claims(), "nbf", now+day),
		"not before a minute":   with(f.claims(), "nbf", now+60),
		"not before infinity":   with(f.claims(), "nbf", json.RawMessage("1e400")),
		"not before a date":     with(f.claims(), "nbf", f.Now.UTC().Format("2006-01-02T15:04:05Z")),
	} {
		f.add("date", name, f.signed(f.header(), claims))
	}
}

// issuers: CVE-2024-53861, CVE-2025-30144, CVE-2026-9094.
func (f *forger) issuers() {
	for _, iss := range []any{
		"https://evil.example", f.Issuer + "/", f.Issuer + ".evil.example", "x" + f.Issuer,
		f.Issuer[:len(f.Issuer)-1], strings.ToUpper(f.Issuer), f.Issuer + " ", f.Issuer + "#", f.Issuer + "?",
		f.Issuer + "\x00", []string{f.Issuer}, []string{f.Issuer, "x"}, members{"iss": f.Issuer}, "*", "",
	} {
		f.add("issuer", fmt.Sprintf("%v", iss), f.signed(f.header(), with(f.claims(), "iss", iss)))
	}
}

// audiences: CVE-2020-26160, CVE-2026-35041.
func (f *forger) audiences() {
	a := f.Audience
	for _, aud := range []any{
		"https://evil.example", a + "/", a + "x", "x" + a, a[:len(a)-1], strings.ToUpper(a), a + " ",
		a + "," + a, a + " x", "*", ".*", "", []string{}, []string{""}, []string{"x", "y"}, []string{a + "x"},
		[]any{a, 1}, []any{a, nil}, []any{[]string{a}}, []any{a, ""}, members{"aud": a}, members{a: true}, true,
		0, json.RawMessage("null"), f.Issuer + "x",
	} {
		f.add("audience", fmt.Sprintf("%v", aud), f.signed(f.header(), with(f.claims(), "aud", aud)))
	}
}

// spellings: other encodings of the same bytes, and white space of all sorts. RFC 7515 §2, RFC 4648
// §3.5, RFC 8725bis §3.14.
func (f *forger) spellings() {
	token := f.signed(f.header(), f.claims())
	parts := strings.Split(token, ".")
	for i, part := range parts {
		change := func(name, segment string) {
			all := append([]string{}, parts...)
			all[i] = segment
			f.add("spelling", fmt.Sprintf("segment %d %s", i, name), strings.Join(all, "."))
			if i < 2 { // also with a signature over the changed text
				f.add("spelling", fmt.Sprintf("segment %d %s, signed", i, name), f.sign(all[0], all[1]))
			}
		}
		place := rand.IntN(len(part)-1) + 1
		for _, odd := range []string{"=", "==", "\n", "\r", "\r\n", " ", "\t", "\x00", "%", "+",
			"/", "?", "é", "\u200b", ".", "\"", "{"} {
			change("with "+odd+" after", part+odd)
			change("with "+odd+" before", odd+part)
			change("with "+odd+" inside", part[:place]+odd+part[place:])
		}
		standard := base64.StdEncoding.EncodeToString([]byte(part))
		change("encoded twice", strings.TrimRight(standard, "="))
		change("empty", "")
		change("a character less", part[:len(part)-1])
		if last := strings.IndexByte(alphabet, part[len(part)-1]); len(part)%4 != 0 {
			change("with bits left over", part[:len(part)-1]+string(alphabet[last|1]))
			if len(part)%4 == 2 {
				change("with other bits left over", part[:len(part)-1]+string(alphabet[last|8]))
			}
		}
	}
	for _, odd := range []string{" ", "\n", "\t", "\x00", "\"", "'", "Bearer ", ".", ",", "{", "\ufeff"} {
		f.add("spelling", odd+" before", odd+token)
		f.add("spelling", odd+" after", token+odd)
	}
	f.add("spelling", "twice", token+token)
	f.add("spelling", "two with a comma", token+","+token)
	f.add("spelling", "in capitals", strings.ToUpper(token))
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// signatures: CVE-2022-21449, and changed bits.
func (f *forger) signatures() {
	token := f.signed(f.header(), f.claims())
	cut := strings.LastIndexByte(token, '.') + 1
	signature, err := base64.RawURLEncoding.DecodeString(token[cut:])
	if err != nil {
		f.tb.Fatal(err)
	}
	replace := func(name string, s []byte) { f.add("signature", name, token[:cut]+encode(string(s))) }
	for bit := range len(signature) * 8 {
		changed := append([]byte{}, signature...)
		changed[bit/8] ^= 1 << (bit % 8)
		replace(fmt.Sprintf("bit %d changed", bit), changed)
	}
	for n := range len(signature) {
		replace(fmt.Sprintf("its first %d bytes", n), signature[:n])
	}
	replace("zeros", make([]byte, len(signature)))
	replace("ones", []byte(strings.Repeat("\xff", len(signature))))
	replace("a byte more", append(append([]byte{}, signature...), 0))
	replace("twice", append(append([]byte{}, signature...), signature...))
	replace("2000 bytes", make([]byte, 2000))
	other := strings.Split(f.signed(f.header(), with(f.claims(), "sub", "admin")), ".")
	f.add("signature", "of another payload", strings.Join([]string{other[0], other[1], token[cut:]}, "."))
}

// otherForms: texts that are not a JWS in compact form. CVE-2022-39227, CVE-2016-9122,
// CVE-2026-29000.
func (f *forger) otherForms() {
	token := f.signed(f.header(), f.claims())
	p := strings.Split(token, ".")
	for name, form := range map[string]string{
		"nothing": "", "a dot": ".", "two dots": "..", "three dots": "...", "four dots": "....",
		"a word": "token", "two segments": p[0] + "." + p[1], "four segments": token + ".x",
		"a JWE": p[0] + ".." + p[1] + "." + p[2] + ".x", "five segments": token + ".." + "x",
		"flattened JSON": fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, p[0], p[1], p[2]),
		"general JSON": fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,`+
			`"signature":%q}]}`, p[1], p[0], p[2]),
		"a polyglot": fmt.Sprintf(`{"a":"%s.%s.%s","protected":%q,"payload":%q,`+
			`"signature":%q}`, p[0], p[1], p[2], p[0], p[1], p[2]),
		"a polyglot's tail": fmt.Sprintf(`%s.%s.%s","payload":"x"}`, p[0], p[1], p[2]),
		"detached":          p[0] + ".." + p[2],
		"nested":            f.sign(encode(text(with(f.header(), "cty", "JWT"))), encode(token)),
		"an empty payload":  f.sign(p[0], ""),
		"an empty header":   f.sign("", p[1]),
	} {
		f.add("form", name, form)
	}
}

// sizes: CVE-2025-30204, CVE-2025-53864.
func (f *forger) sizes() {
	long := with(f.claims(), "x", strings.Repeat("x", 8192))
	many := f.claims()
	for i := range 300 {
		many[fmt.Sprint("x", i)] = i
	}
	for name, token := range map[string]string{
		"4,000 dots": strings.Repeat(".", 4000), "a million dots": strings.Repeat(".", 1_000_000),
		"10 MB": strings.Repeat("A", 10<<20), "10 KB of claims": f.signed(f.header(), long),
		"300 claims":    f.signed(f.header(), many),
		"a long header": f.signed(with(f.header(), "x", strings.Repeat("x", 9000)), f.claims()),
		"garbage":       strings.Repeat("\xff", 500), "spaces": strings.Repeat(" ", 500),
	} {
		f.add("size", name, token)
	}
}
