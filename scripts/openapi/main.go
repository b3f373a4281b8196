// Command openapi prints the OpenAPI document of the REST surface, from which
// the console's build makes the types of its client.
package main

import (
	"fmt"
	"os"

	"github.com/lockstep-crm/lockstep/internal/api"
)

func main() {
	document, err := api.Document("0")
	if err == nil {
		_, err = os.Stdout.Write(document)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}
