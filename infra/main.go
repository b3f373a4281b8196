// Command infra is the CDK app: it turns the context of cdk.json, and what the
// command line of the CDK adds to it, into the CloudFormation template of one
// stage.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/jsii-runtime-go"

	"github.com/lockstep-crm/lockstep/infra/stack"
)

func main() {
	err := synth("..")
	jsii.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// synth writes the cloud assembly of the project at root. The CDK's own reader
// of cdk.json sits in its command line tool; a plain "go run" has to read the
// file itself, or it would get other feature flags and another template.
func synth(root string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	context, err := stack.ReadContext(root)
	if err != nil {
		return err
	}
	outdir := os.Getenv("CDK_OUTDIR")
	if outdir == "" {
		outdir = "cdk.out"
	}
	if !filepath.IsAbs(outdir) { // as the caller means it, who stands at the root
		outdir = filepath.Join(root, outdir)
	}
	app := stack.NewApp(context, outdir)
	config, err := stack.ReadConfig(app.Node(), root)
	if err != nil {
		return err
	}
	if err := config.CheckAssets(); err != nil {
		return err
	}
	s := stack.New(app, config)
	stack.Check(app, s)
	app.Synth(nil)
	return nil
}
