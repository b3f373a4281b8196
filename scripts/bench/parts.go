package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// parts are what -only names: measurements that are taken one by one, because
// they take long, want the machine for themselves, or mostly wait.
var parts = map[string]func(ctx context.Context, binary string) ([]figure, error){
	"counts":    func(ctx context.Context, _ string) ([]figure, error) { return measure(ctx) },
	"memory":    measureMemory,
	"flow":      measureFlow,
	"writer":    func(ctx context.Context, _ string) ([]figure, error) { return measureWriter(ctx) },
	"freshness": func(ctx context.Context, _ string) ([]figure, error) { return measureFreshness(ctx) },
}

// measureParts takes the measurements of a list such as "flow,writer".
func measureParts(ctx context.Context, list, binary string) ([]figure, error) {
	var out []figure
	for name := range strings.SplitSeq(list, ",") {
		f := parts[name]
		if f == nil {
			return out, fmt.Errorf("-only knows no %q, but %v", name, slices.Sorted(maps.Keys(parts)))
		}
		figures, err := f(ctx, binary)
		out = append(out, figures...)
		if err != nil {
			return out, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

// atLeast is a figure that must reach limit.
func atLeast(name string, limit, got float64, format string) figure {
	return figure{name, fmt.Sprintf(">= "+format, limit), fmt.Sprintf(format, got), got >= limit}
}
