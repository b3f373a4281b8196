#!/usr/bin/env bash
# cfn-lint, AWS's own linter, over the templates: a stage dev with nothing chosen,
# and a stage prod with everything that can be. It knows the schema of each
# resource, which the CDK's validator and the rule packs of "make synth" look at
# only in part. The functions are stand-ins: what they hold is in no template.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for fn in api keeper pull sync webhook; do
	mkdir -p "$work/assets/$fn"
	echo "$fn" >"$work/assets/$fn/bootstrap"
done
CGO_ENABLED=0 go build -C infra -o "$work/app" .

# template NAME CONTEXT: writes the template, as "cdk synth" would with this
# context, a JSON object.
template() {
	local context
	context=$(python3 -c 'import json, sys; print(json.dumps(json.loads(sys.argv[1]) | {"assets": sys.argv[2]}))' "$2" "$work/assets")
	(cd infra && JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20 CDK_VALIDATION=false CDK_OUTDIR="$work/$1" CDK_CONTEXT_JSON=$context "$work/app")
	mv "$work/$1/Lockstep.template.json" "$work/$1.json"
}

template dev '{"stage": "dev"}'
template prod "$(cat infra/stack/testdata/every-option.json)"

# A template with a mistake first: a linter that finds nothing anywhere proves nothing.
sed '0,/"PAY_PER_REQUEST"/s//"PAY_PER_REQUESTS"/' "$work/dev.json" >"$work/broken.json"
if cfn-lint --regions us-east-1 -t "$work/broken.json" >"$work/found" 2>&1 || ! grep -q PAY_PER_REQUESTS "$work/found"; then
	echo "cfn-lint did not notice a billing mode that does not exist:" >&2
	cat "$work/found" >&2
	exit 1
fi

# W3005: the CDK itself has each function and budget depend on what they refer to.
cfn-lint --ignore-checks W3005 --regions us-east-1 eu-central-1 -t "$work/dev.json" "$work/prod.json"
resources() { python3 -c 'import json, sys; print(len(json.load(open(sys.argv[1]))["Resources"]))' "$work/$1.json"; }
echo "cfn-lint $(cfn-lint --version | cut -d' ' -f2): $(resources dev) resources of dev, $(resources prod) of prod with every option, 0 findings"
