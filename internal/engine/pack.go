package engine

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"
)

// packers are compressors at rest: one costs a megabyte, and each chunk uses several.
var packers sync.Pool

// packFrom is the length from which compressing pays.
const packFrom = 512

// packAloneFrom is the same for what is an item of its own and hardly ever read
// or kept in numbers: whatever fits into one write unit costs the same unpacked.
const packAloneFrom = 900

// pack compresses what is stored in bulk. What is short stays the JSON it is,
// which is told by its first byte: a brace or bracket is odd, and the streams
// begin with a block that is not their last, an even byte (RFC 1951, 3.2.3).
func pack(b []byte) ([]byte, error) { return packOver(packFrom, b) }

// packOver is pack for what pays from another length.
func packOver(least int, b []byte) ([]byte, error) {
	if len(b) < least && len(b) > 0 && b[0]&1 == 1 {
		return b, nil
	}
	var buf bytes.Buffer
	w, _ := packers.Get().(*flate.Writer)
	if w == nil {
		var err error
		if w, err = flate.NewWriter(&buf, flate.BestSpeed); err != nil {
			return nil, err
		}
	} else {
		w.Reset(&buf)
	}
	defer packers.Put(w)
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// maxUnpacked bounds what one stored item may grow to.
const maxUnpacked = 64 << 20

// unpackers are decompressors at rest: each holds a window of 32 KiB.
var unpackers = sync.Pool{New: func() any { return flate.NewReader(nil) }}

func unpack(b []byte) ([]byte, error) {
	if len(b) > 0 && b[0]&1 == 1 {
		return b, nil
	}
	r := unpackers.Get().(io.ReadCloser)
	defer unpackers.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(b), nil); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxUnpacked))
}
