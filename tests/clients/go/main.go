// Command clients drives a broker with Go's Kafka clients and says what went wrong, if anything.
//
//	clients CHECK BOOTSTRAP NAME
//
// Topics and transactional ids of a check begin with NAME.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// Long enough for a loaded machine; a client that waits for an answer that never comes ends here.
const timeMax = 45 * time.Second

type check func(ctx context.Context, bootstrap, name string) error

var checks = map[string]check{
	"franz-console":      franzConsole,
	"franz-assignment":   franzAssignment,
	"franz-transactions": franzTransactions,
	"franz-round-trip":   franzRoundTrip,
	"sarama-console":     saramaConsole,
	"sarama-assignment":  saramaAssignment,
	"sarama-round-trip":  saramaRoundTrip,
}

func main() {
	if len(os.Args) != 4 || checks[os.Args[1]] == nil {
		names := strings.Join(slices.Sorted(maps.Keys(checks)), "|")
		fmt.Fprintf(os.Stderr, "usage: clients %s BOOTSTRAP NAME\n", names)
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeMax)
	defer cancel()
	if err := checks[os.Args[1]](ctx, os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Settings that scripts for clusters give their topics, though a single broker has no use for most.
var topicSettings = map[string]string{
	"compression.type":      "zstd",
	"flush.ms":              "1000",
	"index.interval.bytes":  "4096",
	"max.compaction.lag.ms": "86400000",
	"preallocate":           "false",
}

// same says so when two things differ.
func same[T comparable](found, wanted T, what string) error {
	if found == wanted {
		return nil
	}
	return fmt.Errorf("%s: %v instead of %v", what, found, wanted)
}
