package store

import "context"

// Scrubber is an extra of stores in which what was deleted stays readable to
// whoever opens the files.
type Scrubber interface {
	// Scrub takes it out of the files. Unavailable: try again.
	Scrub(ctx context.Context) error
}

// Backup is a copy of the store that nothing can be taken out of: it goes by
// itself after so many days.
type Backup struct {
	Name string
	Days int
}

// BackedUp is an extra of stores that are copied continuously.
type BackedUp interface {
	Backups() []Backup
}

// Wrapped is a store in front of another one, whose extras are its own.
type Wrapped interface {
	Unwrap() Store
}

// Scrub takes what was deleted out of a store's files, if it has such.
func Scrub(ctx context.Context, s Store) error {
	if x, ok := extra[Scrubber](s); ok {
		return x.Scrub(ctx)
	}
	return nil
}

// Backups lists the copies of a store that nothing can be taken out of.
func Backups(s Store) []Backup {
	if x, ok := extra[BackedUp](s); ok {
		return x.Backups()
	}
	return nil
}

// extra finds an extra of a store, or of the one behind it.
func extra[T any](s Store) (x T, ok bool) {
	for s != nil {
		if x, ok := s.(T); ok {
			return x, true
		}
		w, more := s.(Wrapped)
		if !more {
			break
		}
		s = w.Unwrap()
	}
	return x, false
}
