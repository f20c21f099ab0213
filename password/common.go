package password

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
	"unicode"
)

//go:embed common.txt
var commonText string

// commonWords are the words of common.txt by their first letter.
var commonWords = sync.OnceValue(func() map[rune][][]rune {
	words := map[rune][][]rune{}
	for word := range strings.Lines(commonText) {
		addWord(words, word)
	}
	return words
})

const (
	shortestPiece = 4 // of what is predictable: three in a row come about by chance
	pieceWeight   = 2 // what a predictable piece counts, in characters
	leastWeight   = minLengthFloor
)

func addWord(words map[rune][][]rune, word string) {
	folded := fold(strings.TrimSpace(word))
	if len(folded) >= shortestPiece {
		words[folded[0]] = append(words[folded[0]], folded)
	}
}

// isCommon reports whether password, which is prepared, is made of little but what a guesser tries
// first.
func isCommon(password string, context []string) bool {
	text := fold(password)
	known := map[rune][][]rune{}
	for _, c := range context {
		c, _ = prepare(c)
		addWord(known, c)
		for _, word := range strings.FieldsFunc(c, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r)
		}) {
			addWord(known, word)
		}
	}
	return isRepetition(text) || weight(text, commonWords(), known) < leastWeight
}

// isRepetition reports whether text is less than eight characters, again and again.
func isRepetition(text []rune) bool {
	for period := 1; period < minLengthFloor && period < len(text); period++ {
		if slices.Equal(text[period:], text[:len(text)-period]) {
			return true
		}
	}
	return false
}

// weight counts the characters of text, each predictable piece of it as pieceWeight, cut so that
// the sum is the least.
func weight(text []rune, lists ...map[rune][][]rune) int {
	least := make([]int, len(text)+1) // by where the rest of text starts
	for i := len(text) - 1; i >= 0; i-- {
		rest := text[i:]
		least[i] = least[i+1] + 1
		if run := runLength(rest); run >= shortestPiece {
			least[i] = min(least[i], pieceWeight+slices.Min(least[i+shortestPiece:i+run+1]))
		}
		if isYear(rest) {
			least[i] = min(least[i], pieceWeight+least[i+4])
		}
		for _, list := range lists {
			for _, first := range readings(rest[0]) {
				for _, word := range list[first] {
					if startsWith(rest, word) {
						least[i] = min(least[i], pieceWeight+least[i+len(word)])
					}
				}
			}
		}
	}
	return least[0]
}

// runLength returns how many characters at the start of text are one character again and again,
// neighbours in Unicode (so in most alphabets, and digits), or neighbours on a keyboard.
func runLength(text []rune) int {
	longest := 1
	for step := rune(-1); step <= 1; step++ {
		n := 1
		for n < len(text) && text[n]-text[n-1] == step {
			n++
		}
		longest = max(longest, n)
	}
	for _, keys := range keyboardRuns() {
		for start, key := range keys {
			if key != text[0] {
				continue
			}
			n := 1
			for n < len(text) && start+n < len(keys) && keys[start+n] == text[n] {
				n++
			}
			longest = max(longest, n)
		}
	}
	return longest
}

// keyboardRuns are the ways that fingers walk over QWERTY, QWERTZ and AZERTY, there and back.
var keyboardRuns = sync.OnceValue(func() [][]rune {
	var runs [][]rune
	for _, keys := range []string{
		"`1234567890-=", "!@#$%^&*()_+", "!\"§$%&/()=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./",
		"qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn", "147258369",
		"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/", "qazwsxedcrfvtgbyhnujmikolp",
		"1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0",
	} {
		run := []rune(keys)
		back := slices.Clone(run)
		slices.Reverse(back)
		runs = append(runs, run, back)
	}
	return runs
})

func isYear(text []rune) bool {
	if len(text) < 4 || !unicode.IsDigit(text[2]) || !unicode.IsDigit(text[3]) {
		return false
	}
	century := string(text[:2])
	return century == "19" || century == "20"
}

func startsWith(text, word []rune) bool {
	if len(text) < len(word) {
		return false
	}
	for i, letter := range word {
		if text[i] != letter && !slices.Contains(readings(text[i])[1:], letter) {
			return false
		}
	}
	return true
}

// readings returns what a character can stand for in a word: itself, then the letters that it is written for.
func readings(r rune) []rune {
	switch r {
	case '0':
		return []rune{r, 'o'}
	case '1', '!', '|':
		return []rune{r, 'i', 'l'}
	case '3', '€':
		return []rune{r, 'e'}
	case '4', '@':
		return []rune{r, 'a'}
	case '5', '$':
		return []rune{r, 's'}
	case '7', '+':
		return []rune{r, 't'}
	}
	return []rune{r}
}

// fold maps each code point to lower case, one to one.
func fold(text string) []rune {
	folded := []rune(text)
	for i, r := range folded {
		folded[i] = unicode.ToLower(r)
	}
	return folded
}
