// Compresses what comes in with Go's own compress/flate, so that a test can compare.
//
// A request: level (int8), largest cut of a write (uint32, 0 for one write), seed of the cuts (uint32),
// length (uint32), bytes. The answer: length (uint32), the deflate stream. All is little-endian.
package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"os"
)

type request struct {
	Level             int8
	Cut, Seed, Length uint32
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	var data []byte
	var packed bytes.Buffer
	for {
		var r request
		if err := binary.Read(in, binary.LittleEndian, &r); err == io.EOF {
			return
		} else if err != nil {
			panic(err)
		}
		if cap(data) < int(r.Length) {
			data = make([]byte, r.Length)
		}
		data = data[:r.Length]
		if _, err := io.ReadFull(in, data); err != nil {
			panic(err)
		}
		packed.Reset()
		w, err := flate.NewWriter(&packed, int(r.Level))
		if err != nil {
			panic(err)
		}
		for rest, seed := data, r.Seed; len(rest) > 0; {
			n := len(rest)
			if r.Cut > 0 {
				seed = seed*1664525 + 1013904223
				n = min(n, int(uint64(seed)*uint64(r.Cut)>>32)+1)
			}
			w.Write(rest[:n])
			rest = rest[n:]
		}
		w.Close()
		binary.Write(out, binary.LittleEndian, uint32(packed.Len()))
		out.Write(packed.Bytes())
		out.Flush()
	}
}
