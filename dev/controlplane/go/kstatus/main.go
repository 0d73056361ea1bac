// What kstatus, the library by which Flux and helm --wait judge objects, says of the objects on standard
// input: one JSON object a line in, {"status", "message"} a line out. --version tells the library's version.
// The built program is cached by that version: whoever changes this file removes the cached one.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const library = "github.com/fluxcd/cli-utils"

type verdict struct {
	Status  status.Status `json:"status"`
	Message string        `json:"message"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 0:
		return judgeAll(os.Stdin, os.Stdout)
	case len(args) == 1 && args[0] == "--version":
		return printVersion(os.Stdout)
	default:
		return errors.New("takes no arguments but --version")
	}
}

func judgeAll(in io.Reader, out io.Writer) error {
	objects := json.NewDecoder(in)
	verdicts := json.NewEncoder(out)
	for {
		var raw json.RawMessage
		if err := objects.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		each, err := judge(raw)
		if err != nil {
			return err
		}
		if err := verdicts.Encode(each); err != nil {
			return err
		}
	}
}

// Unstructured, and not a plain map, decodes whole numbers as the library expects them: as int64.
func judge(raw json.RawMessage) (verdict, error) {
	var object unstructured.Unstructured
	if err := object.UnmarshalJSON(raw); err != nil {
		return verdict{}, err
	}
	result, err := status.Compute(&object)
	if err != nil {
		return verdict{}, err
	}
	return verdict{Status: result.Status, Message: result.Message}, nil
}

func printVersion(out io.Writer) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("was built without module information")
	}
	for _, module := range info.Deps {
		if module.Path == library {
			_, err := fmt.Fprintln(out, "kstatus", module.Version)
			return err
		}
	}
	return errors.New("was built without " + library)
}
