package oracle

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	anthropicv1 "github.com/anthropics/anthropic-sdk-go"
	anthropicv2 "github.com/anthropics/anthropic-sdk-go/v2"
)

// conform fails the test where an answer is not what the SDK says it must be:
// every required field there (null counts), none of another type, and none
// that the SDK does not know. The SDK has decoded the answer and remembers in
// the JSON field of each object what it found. Faults in allowed pass.
func conform(t testing.TB, what string, answer any, allowed ...string) {
	t.Helper()
	for _, fault := range faults(what, reflect.ValueOf(answer)) {
		if !slices.Contains(allowed, fault) {
			t.Errorf("the SDK objects to %s", fault)
		}
	}
}

func faults(path string, v reflect.Value) []string {
	switch v.Kind() {
	case reflect.Slice:
		var all []string
		for i := range v.Len() {
			all = append(all, faults(fmt.Sprintf("%s[%d]", path, i), v.Index(i))...)
		}
		return all
	case reflect.Struct:
	default:
		return nil
	}
	if variant := v.MethodByName("AsAny"); variant.IsValid() {
		one := variant.Call(nil)[0]
		if one.IsNil() {
			return []string{path + ": no variant of " + v.Type().Name() + " that it knows"}
		}
		return faults(path, one.Elem())
	}
	if found := v.FieldByName("JSON"); found.IsValid() && found.Kind() == reflect.Struct {
		return objectFaults(path, v, found)
	}
	return nil
}

// presence is what an SDK remembers of one field.
type presence interface {
	Valid() bool
	Raw() string // empty where the field was omitted
}

func objectFaults(path string, v, found reflect.Value) []string {
	var all []string
	for i := range v.NumField() {
		field := v.Type().Field(i)
		meta := found.FieldByName(field.Name)
		if field.Name == "JSON" || !meta.IsValid() {
			continue
		}
		name := path + "." + strings.Split(field.Tag.Get("json"), ",")[0]
		switch p := meta.Interface().(presence); {
		case p.Valid():
			all = append(all, faults(name, v.Field(i))...)
		case p.Raw() == "" && required(field.Tag):
			all = append(all, name+": missing")
		case p.Raw() != "" && p.Raw() != "null":
			all = append(all, name+": not its type: "+p.Raw())
		}
	}
	if extra := found.FieldByName("ExtraFields"); extra.IsValid() {
		for _, name := range extra.MapKeys() {
			all = append(all, path+"."+name.String()+": unknown")
		}
	}
	return all
}

// required reports whether the SDK marks a field so. A field with a default is
// a constant, which is always sent.
func required(tag reflect.StructTag) bool {
	_, constant := tag.Lookup("default")
	return constant || strings.Contains(tag.Get("api"), "required") || strings.Contains(tag.Get("json"), ",required")
}

// TestConform makes sure that the judge objects.
func TestConform(t *testing.T) {
	const whole = `{"id":"msg_1","type":"message","role":"assistant","model":"m","container":null,"diagnostics":null,
		"content":[{"type":"text","text":"hi","citations":null}],"stop_reason":"end_turn","stop_sequence":null,"stop_details":null,
		"usage":{"input_tokens":1,"output_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,
		"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens_details":{"thinking_tokens":0},
		"server_tool_use":null,"service_tier":"standard","inference_geo":"global","speed":"standard"}}`
	for name, c := range map[string]struct{ from, to, want string }{
		"a whole message":  {"", "", ""},
		"a missing field":  {`"stop_sequence":null,`, ``, "message.stop_sequence: missing"},
		"a missing count":  {`"input_tokens":1,`, ``, "message.usage.input_tokens: missing"},
		"an unknown field": {`"speed":`, `"pace":1,"speed":`, "message.usage.pace: unknown"},
		"a wrong type":     {`"output_tokens":1`, `"output_tokens":"many"`, `message.usage.output_tokens: not its type: "many"`},
		"an unknown block": {`"type":"text"`, `"type":"poem"`, "message.content[0]: no variant of ContentBlockUnion that it knows"},
		"a bare block":     {`,"citations":null`, ``, "message.content[0].citations: missing"},
	} {
		body := []byte(strings.Replace(whole, c.from, c.to, 1))
		var v1 anthropicv1.Message
		var v2 anthropicv2.Message
		if err := errors.Join(json.Unmarshal(body, &v1), json.Unmarshal(body, &v2)); err != nil {
			t.Fatal(err)
		}
		for _, m := range []any{v1, v2} {
			if got := strings.Join(faults("message", reflect.ValueOf(m)), "; "); got != c.want {
				t.Errorf("%s: the judge says %q, want %q", name, got, c.want)
			}
		}
	}
}
