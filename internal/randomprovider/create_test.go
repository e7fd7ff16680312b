package randomprovider

import (
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

// The outputs, apart from the generated values, are those that the official
// plugin was recorded to store. GENERATED stands for what differs every time.
func TestCreateStoresWhatTheOfficialPluginStores(t *testing.T) {
	tests := []struct {
		name   string
		inputs props
		want   props
	}{
		{
			"RandomPassword",
			props{"length": 16, "minLower": 2, "special": true, "number": true},
			props{
				"__meta": `{"schema_version":"3"}`, "id": "none", "length": 16, "lower": true, "upper": true,
				"number": true, "numeric": true, "special": true, "minLower": 2, "minUpper": 0, "minNumeric": 0, "minSpecial": 0,
				"result": sealed{"GENERATED"}, "bcryptHash": sealed{"GENERATED"},
			},
		},
		{
			"RandomString",
			props{"length": 16, "lower": true, "special": false, "numeric": false},
			props{
				"__meta": `{"schema_version":"2"}`, "id": "GENERATED", "length": 16, "lower": true, "upper": true,
				"number": false, "numeric": false, "special": false, "minLower": 0, "minUpper": 0, "minNumeric": 0, "minSpecial": 0,
				"result": "GENERATED",
			},
		},
		{
			"RandomBytes", props{"length": 16},
			props{"length": 16, "base64": sealed{"GENERATED"}, "hex": sealed{"GENERATED"}},
		},
		{
			"RandomId", props{"byteLength": 8, "prefix": "web-"},
			props{
				"byteLength": 8, "prefix": "web-", "id": "GENERATED",
				"b64Std": "GENERATED", "b64Url": "GENERATED", "dec": "GENERATED", "hex": "GENERATED",
			},
		},
		{
			"RandomInteger", props{"min": 7, "max": 7},
			props{"min": 7, "max": 7, "id": "7", "result": 7},
		},
		{
			"RandomPet", props{"keepers": props{"a": "b"}},
			props{"length": 2, "separator": "-", "id": "GENERATED", "keepers": props{"a": "b"}},
		},
		{
			"RandomShuffle", props{"inputs": []any{"one"}},
			props{"inputs": []any{"one"}, "results": []any{"one"}, "id": "-"},
		},
		{"RandomUuid", props{}, props{"id": "GENERATED", "result": "GENERATED"}},
		{"RandomUuid4", props{}, props{"id": "GENERATED", "result": "GENERATED"}},
		{"RandomUuid7", props{}, props{"id": "GENERATED", "result": "GENERATED"}},
	}
	covered := map[string]bool{}
	for _, test := range tests {
		covered[token(test.name)] = true
		t.Run(test.name, func(t *testing.T) {
			id, got := create(t, test.name, test.inputs)
			want := properties(test.want)
			if recorded, ok := want["id"]; ok && recorded.StringValue() == "GENERATED" {
				assert.Equal(t, id, str(t, got, "id"))
			}
			for key, value := range want {
				if p := plain(value); p.IsString() && p.StringValue() == "GENERATED" {
					assert.NotEmpty(t, str(t, got, key), key)
					assert.Equal(t, value.IsSecret(), got[key].IsSecret(), "secrecy of %s", key)
					got[key] = value
				}
			}
			assert.Equal(t, want.Mappable(), got.Mappable())
		})
	}
	for token := range kinds {
		assert.True(t, covered[token], "%s has no case", token)
	}
}

func TestPasswordHonoursItsClasses(t *testing.T) {
	count := func(s, letters string) (n int) {
		for _, r := range s {
			if strings.ContainsRune(letters, r) {
				n++
			}
		}
		return n
	}
	tests := []struct {
		title    string
		inputs   props
		alphabet string
		least    map[string]int
	}{
		{"defaults", props{"length": 200}, lowerLetters + upperLetters + digits + specialLetters, nil},
		{"only digits", props{"length": 200, "lower": false, "upper": false, "special": false}, digits, nil},
		{"number is the older name", props{"length": 200, "number": false}, lowerLetters + upperLetters + specialLetters, nil},
		{"own specials", props{"length": 200, "lower": false, "upper": false, "numeric": false, "overrideSpecial": "é~"}, "é~", nil},
		{
			"minimums fill the length", props{"length": 8, "minLower": 2, "minUpper": 2, "minNumeric": 2, "minSpecial": 2},
			lowerLetters + upperLetters + digits + specialLetters,
			map[string]int{lowerLetters: 2, upperLetters: 2, digits: 2, specialLetters: 2},
		},
		{
			"a minimum holds for a disabled class", props{"length": 20, "special": false, "minSpecial": 3, "overrideSpecial": "~"},
			lowerLetters + upperLetters + digits + "~", map[string]int{"~": 3},
		},
	}
	for _, test := range tests {
		t.Run(test.title, func(t *testing.T) {
			for range 20 {
				_, out := create(t, "RandomString", test.inputs)
				result := str(t, out, "result")
				require.Len(t, []rune(result), test.inputs["length"].(int))
				require.Equal(t, len([]rune(result)), count(result, test.alphabet), "%q strays from its alphabet", result)
				for letters, least := range test.least {
					require.GreaterOrEqual(t, count(result, letters), least, "%q", result)
				}
			}
		})
	}
}

// With two classes of one character each, an unshuffled text would always have
// the same one first.
func TestPasswordPositionsSayNothing(t *testing.T) {
	first := map[byte]int{}
	for range 200 {
		_, out := create(t, "RandomString", props{
			"length": 2, "minLower": 1, "minUpper": 1, "special": false, "numeric": false,
		})
		first[str(t, out, "result")[0]&0x20]++
	}
	assert.Len(t, first, 2, "the first character always has the same case")
}

func TestPasswordHashMatches(t *testing.T) {
	for _, length := range []int{1, 72, 100} {
		id, out := create(t, "RandomPassword", props{"length": length})
		assert.Equal(t, "none", id)
		password := str(t, out, "result")
		hashed := password[:min(length, 72)]
		assert.NoError(t, bcrypt.CompareHashAndPassword([]byte(str(t, out, "bcryptHash")), []byte(hashed)))
	}
}

func TestIdNotationsAgree(t *testing.T) {
	id, out := create(t, "RandomId", props{"byteLength": 9, "prefix": "p-"})
	bits, err := base64.RawURLEncoding.DecodeString(id)
	require.NoError(t, err)
	require.Len(t, bits, 9)
	assert.Equal(t, "p-"+id, str(t, out, "b64Url"))
	assert.Equal(t, "p-"+base64.StdEncoding.EncodeToString(bits), str(t, out, "b64Std"))
	assert.Equal(t, "p-"+hex.EncodeToString(bits), str(t, out, "hex"))
	assert.Equal(t, "p-"+new(big.Int).SetBytes(bits).String(), str(t, out, "dec"))
}

func TestBytesNotationsAgreeAndTheIDHidesThem(t *testing.T) {
	id, out := create(t, "RandomBytes", props{"length": 32})
	bits, err := base64.StdEncoding.DecodeString(str(t, out, "base64"))
	require.NoError(t, err)
	assert.Len(t, bits, 32)
	assert.Equal(t, hex.EncodeToString(bits), str(t, out, "hex"))
	assert.Equal(t, "none", id)
}

func TestUuidVersions(t *testing.T) {
	for name, version := range map[string]uuid.Version{"RandomUuid": 4, "RandomUuid4": 4, "RandomUuid7": 7} {
		id, out := create(t, name, props{})
		parsed, err := uuid.Parse(id)
		require.NoError(t, err)
		assert.Equal(t, version, parsed.Version(), name)
		assert.Equal(t, id, str(t, out, "result"))
	}
}

func TestPetNames(t *testing.T) {
	tests := []struct {
		inputs props
		want   string
	}{
		{props{}, `^[a-z]+-[a-z]+$`},
		{props{"length": 1}, `^[a-z]+$`},
		{props{"length": 4, "separator": "_"}, `^[a-z]+(_[a-z]+){3}$`},
		{props{"prefix": "eu", "separator": "."}, `^eu(\.[a-z]+){2}$`},
		{props{"separator": ""}, `^[a-z]+$`},
	}
	for _, test := range tests {
		id, _ := create(t, "RandomPet", test.inputs)
		assert.Regexp(t, regexp.MustCompile(test.want), id)
	}
	name, err := petName(3)
	require.NoError(t, err)
	assert.Contains(t, adverbs, name[0])
	assert.Contains(t, adjectives, name[1])
	assert.Contains(t, animals, name[2])
}

func TestPetWordsAreDistinct(t *testing.T) {
	for _, list := range [][]string{adverbs, adjectives, animals} {
		seen := map[string]bool{}
		for _, word := range list {
			assert.False(t, seen[word], word)
			assert.Regexp(t, `^[a-z]+$`, word)
			seen[word] = true
		}
		assert.Greater(t, len(seen), 100)
	}
}

// The expected values are those published with the official plugin's engine
// for the same seeds.
func TestSeedsGiveTheOfficialResults(t *testing.T) {
	for seed, want := range map[string]int{"12345": 3, "123456": 2} {
		id, out := create(t, "RandomInteger", props{"min": 1, "max": 3, "seed": seed})
		assert.Equal(t, float64(want), out["result"].NumberValue(), "seed %s", seed)
		assert.Equal(t, property(want).NumberValue(), float64(id[0]-'0'))
	}
	for want, count := range map[string]any{"acbed": nil, "acb": 3, "acbedaedcbab": 12} {
		inputs := props{"inputs": []any{"a", "b", "c", "d", "e"}, "seed": "-"}
		if count != nil {
			inputs["resultCount"] = count
		}
		_, out := create(t, "RandomShuffle", inputs)
		assert.Equal(t, want, strings.Join(values(out).list("results"), ""))
	}
}

func TestIntegerStaysWithinItsBounds(t *testing.T) {
	seen := map[float64]bool{}
	for range 200 {
		_, out := create(t, "RandomInteger", props{"min": -1, "max": 1})
		seen[out["result"].NumberValue()] = true
	}
	assert.Equal(t, map[float64]bool{-1: true, 0: true, 1: true}, seen)
	_, out := create(t, "RandomInteger", props{"min": -exact, "max": exact})
	assert.LessOrEqual(t, out["result"].NumberValue(), float64(exact))
}

func TestShuffleWithoutASeed(t *testing.T) {
	orders := map[string]bool{}
	for range 100 {
		_, out := create(t, "RandomShuffle", props{"inputs": []any{"a", "b", "c"}, "resultCount": 6})
		results := values(out).list("results")
		for _, half := range [][]string{results[:3], results[3:]} {
			assert.ElementsMatch(t, []string{"a", "b", "c"}, half)
		}
		orders[strings.Join(results[:3], "")] = true
	}
	assert.Greater(t, len(orders), 2)
	_, out := create(t, "RandomShuffle", props{"inputs": []any{}, "resultCount": 5})
	assert.Empty(t, values(out).list("results"))
}

func TestSecretInputsStaySecretInWhatIsMadeOfThem(t *testing.T) {
	_, id := create(t, "RandomId", props{"byteLength": 1, "prefix": sealed{"s3cret"}})
	for _, key := range []resource.PropertyKey{"prefix", "hex", "dec", "b64Std", "b64Url"} {
		assert.True(t, id[key].IsSecret(), "%s", key)
	}
	_, shuffled := create(t, "RandomShuffle", props{"inputs": []any{property(sealed{"s3cret"})}})
	assert.True(t, shuffled["results"].IsSecret())
	_, pet := create(t, "RandomPet", props{"keepers": props{"a": sealed{"s3cret"}}})
	assert.True(t, pet["keepers"].ContainsSecrets())
}
