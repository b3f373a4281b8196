package stack

import (
	_ "embed"
	"encoding/json"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
)

// suppression is one decision not to follow a rule, or two packs' words for the
// same rule: where, and why.
type suppression struct {
	Rules  []string `json:"rules"`
	Where  []string `json:"where"` // paths of constructs below the stack
	Reason string   `json:"reason"`
}

//go:embed suppressions.json
var suppressionsFile []byte

func suppressions() []suppression {
	var all []suppression
	if err := json.Unmarshal(suppressionsFile, &all); err != nil {
		panic(err) // a file of ours, and embedded
	}
	return all
}

// wildcards are the resources with a wildcard that policies may name (P11).
func (s *Stack) wildcards() []string {
	return []string{
		"*",
		"arn:<AWS::Partition>:scheduler:" + s.region() + ":<AWS::AccountId>:schedule/" + s.config.Name("syncs") + "/*",
	}
}

func (s *Stack) region() string {
	if s.config.Region != "" {
		return s.config.Region
	}
	return "<AWS::Region>"
}

// Check adds the rule pack AwsSolutions to an app, its findings as errors. The
// pack Serverless exists for Node only: _tools/packs.mjs holds the template
// against both.
func Check(app awscdk.App, s *Stack) { s.check(app, suppressions()) }

func (s *Stack) check(app awscdk.App, suppressed []suppression) {
	for _, p := range suppressed {
		entries := s.entries(p)
		for _, path := range p.Where {
			if s.keys == nil { // then API keys come by the one address there is
				path = strings.Replace(path, "Keys/", "Web/", 1)
			}
			if at := s.find(path); at != nil && len(entries) > 0 {
				cdknag.NagSuppressions_AddResourceSuppressions(at, &entries, jsii.Bool(true))
			}
		}
	}
	awscdk.Aspects_Of(app).Add(cdknag.NewAwsSolutionsChecks(nil), nil)
}

// entries are what the pack AwsSolutions wants to hear of a suppression.
func (s *Stack) entries(p suppression) []*cdknag.NagPackSuppression {
	var out []*cdknag.NagPackSuppression
	for _, rule := range p.Rules {
		if !strings.HasPrefix(rule, "AwsSolutions-") {
			continue
		}
		entry := &cdknag.NagPackSuppression{Id: jsii.String(rule), Reason: jsii.String(p.Reason)}
		if rule == "AwsSolutions-IAM5" {
			var only []any
			for _, w := range s.wildcards() {
				only = append(only, "Resource::"+w)
			}
			entry.AppliesTo = &only
		}
		out = append(out, entry)
	}
	return out
}

// find returns the construct at a path below the stack, nil when this
// configuration has none.
func (s *Stack) find(path string) constructs.IConstruct {
	var at constructs.IConstruct = s.stack
	for id := range strings.SplitSeq(path, "/") {
		if at = at.Node().TryFindChild(jsii.String(id)); at == nil {
			return nil
		}
	}
	return at
}
