//go:build !unix

package project

import "os"

const openFlags = os.O_RDONLY
