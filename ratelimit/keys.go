package ratelimit

import (
	"cmp"
	"net"
	"net/http"
	"net/netip"
	"strconv"
)

// ByAddress is a [Rule.Key]: the address of the connection, as [AddressKey] writes it. Behind a proxy
// that is the proxy's: use [ByAddressFrom] there.
func ByAddress(r *http.Request) string { return addressOrUnknown(connection(r)) }

// ByAddressFrom returns a [Rule.Key]: the address that find returns, as [AddressKey] writes it. Find
// must not believe what the client says of itself. Use only fields that your own proxy sets. Requests
// for which it returns "" are counted together.
func ByAddressFrom(find func(*http.Request) string) func(*http.Request) string {
	return func(r *http.Request) string { return addressOrUnknown(find(r)) }
}

// addressOrUnknown is never empty: who hides their address shall not go uncounted.
func addressOrUnknown(ip string) string { return cmp.Or(AddressKey(ip), "unknown") }

// ByRoute is a [Rule.Key]: the pattern of the route. The middleware must be inside the
// [http.ServeMux], around the handler of the route. Elsewhere there is no pattern, and all requests
// count together.
func ByRoute(r *http.Request) string { return "route " + r.Pattern }

// Together returns a [Rule.Key] of several: it counts each combination by itself. A request for which
// one of them is empty is not counted.
func Together(keys ...func(*http.Request) string) func(*http.Request) string {
	return func(r *http.Request) string {
		var all []byte
		for _, key := range keys {
			k := key(r)
			if k == "" {
				return ""
			}
			// The length keeps "a b", "c" and "a", "b c" apart.
			all = append(strconv.AppendInt(all, int64(len(k)), 10), ' ')
			all = append(all, k...)
		}
		return string(all)
	}
}

// AddressKey returns the form in which an address is counted: an IPv4 address itself, or the /64 of an
// IPv6 address, which is what one customer usually gets. Text that is no address is returned as it is,
// up to 64 bytes.
func AddressKey(ip string) string {
	if network, ok := networkOf(ip); ok {
		return network + "::/64"
	}
	address, err := netip.ParseAddr(ip)
	if err != nil {
		return ip[:min(len(ip), 64)]
	}
	if address.Is4() {
		return ip // there is only one way to write it
	}
	if address = address.Unmap(); address.Is4() {
		return address.String()
	}
	var longest [24]byte // the string is the only allocation
	group, text := address.As16(), longest[:0]
	for i := 0; i < 8; i += 2 {
		text = append(strconv.AppendUint(text, uint64(group[i])<<8|uint64(group[i+1]), 16), ':')
	}
	return string(append(text, ":/64"...))
}

// networkOf returns the first four groups of an IPv6 address, if they are all there and written as
// usual: to parse the whole address takes several times as long. What follows them is not looked at.
func networkOf(ip string) (network string, ok bool) {
	group, groups := 0, 0 // where the group begins, and how many there were
	for i := range len(ip) {
		switch c := ip[i]; {
		case '0' <= c && c <= '9' || 'a' <= c && c <= 'f':
		case c != ':' || i == group || i > group+4 || ip[group] == '0' && i > group+1:
			return "", false
		default:
			if groups++; groups == 4 {
				return ip[:i], true
			}
			group = i + 1
		}
	}
	return "", false
}

// connection returns the address of a request's connection.
func connection(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
