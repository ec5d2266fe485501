package lite

import "golang.org/x/sys/cpu"

// kernels returns the kernels that this processor can run, by name, the
// fastest first.
func kernels() []namedKernel {
	var list []namedKernel
	x := &cpu.X86
	if x.HasAVX512F && x.HasAVX512VNNI {
		list = append(list, namedKernel{"avx512vnni", func(t *tile, codes []int8, width int, weights []byte) {
			tileVNNI(t, &codes[0], width, &weights[0])
		}})
	}
	if x.HasAVX2 {
		list = append(list, namedKernel{"avx2", func(t *tile, codes []int8, width int, weights []byte) {
			tileAVX2(t, &codes[0], width, &weights[0])
		}})
	}
	return append(list, namedKernel{"plain", plain})
}

// tileVNNI fills a tile with VPDPBUSD, 64 products an instruction.
//
//go:noescape
func tileVNNI(t *tile, codes *int8, width int, weights *byte)

// tileAVX2 fills a tile with VPMADDWD on bytes widened to 16 bits, since what
// multiplies bytes there saturates.
//
//go:noescape
func tileAVX2(t *tile, codes *int8, width int, weights *byte)
