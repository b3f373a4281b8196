// Holds every synthesised template of a cloud assembly against the rule packs
// AwsSolutions and Serverless: node _tools/packs.mjs <assembly>. What is not
// followed, and why, stands in stack/suppressions.json; an entry that nothing
// needs is an error too. The packs check constructs, so the template is read
// back into some; nothing is written.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { App, LegacyStackSynthesizer, Stack } from 'aws-cdk-lib';
import { CfnInclude } from 'aws-cdk-lib/cloudformation-include';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';

const assembly = process.argv[2] ?? 'cdk.out';
const suppressions = JSON.parse(readFileSync(new URL('../stack/suppressions.json', import.meta.url), 'utf8'));
const files = readdirSync(assembly).filter((f) => f.endsWith('.template.json'));
let errors = 0;

const matches = (path, where) => {
  const rest = path.slice(path.indexOf('/') + 1); // without the stack
  return where.endsWith('*') ? rest.startsWith(where.slice(0, -1)) : rest === where || rest.startsWith(where + '/');
};

// wanted tells whether a suppression is about an address that this template
// has: without users, the routes for API keys are on the first one.
const wherever = (where, keys) => (keys ? where : where.map((w) => w.replace(/^Keys\//, 'Web/')));

for (const file of files) {
  const template = JSON.parse(readFileSync(join(assembly, file), 'utf8'));
  const keys = Object.values(template.Resources).some((r) => r.Metadata?.['aws:cdk:path']?.includes('/Keys/'));
  const app = new App();
  const stack = new Stack(app, 'Check', { synthesizer: new LegacyStackSynthesizer() });
  const included = new CfnInclude(stack, 'Template', { templateFile: join(assembly, file) });
  const used = new Set();
  let found = 0;
  for (const Pack of [AwsSolutionsChecks, ServerlessChecks]) {
    for (const v of new Pack(app).validateScope(included).violations) {
      for (const r of v.violatingResources) {
        found++;
        const id = r.constructPath.split('/').pop();
        const path = template.Resources[id]?.Metadata?.['aws:cdk:path'] ?? id;
        const rule = v.ruleName.replace(/\[.*$/s, '');
        const reason = suppressions.find((s) => s.rules.includes(rule) && wherever(s.where, keys).some((w) => matches(path, w)));
        if (reason) {
          used.add(rule);
          continue;
        }
        if (v.severity === 'error') errors++;
        console.log(`${v.severity}: ${v.ruleName}: ${path}: ${v.description}`);
      }
    }
  }
  for (const rule of suppressions.flatMap((s) => s.rules)) {
    if (!used.has(rule)) {
      errors++;
      console.log(`error: nothing in ${file} needs the suppression of ${rule}`);
    }
  }
  console.log(`${file}: ${Object.keys(template.Resources).length} resources, ${found} findings, ${used.size} rules suppressed in ${suppressions.length} places with reasons`);
}
if (files.length === 0) {
  errors++;
  console.log(`error: ${assembly} holds no template`);
}
process.exitCode = errors ? 1 : 0;
