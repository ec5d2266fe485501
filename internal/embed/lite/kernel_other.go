//go:build !amd64

package lite

// kernels returns the kernels that this processor can run, by name, the
// fastest first.
func kernels() []namedKernel { return []namedKernel{{"plain", plain}} }
