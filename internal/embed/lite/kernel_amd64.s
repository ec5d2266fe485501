#include "textflag.h"

// Both kernels walk down six rows of activations at once. Four bytes of a row,
// one for each of four inputs, meet four bytes of each output.
//
//	SI, SI+DX, SI+2·DX  rows 0 to 2, DX bytes apart
//	R8, R8+DX, R8+2·DX  rows 3 to 5
//	BX                  the weights: 256 bytes for each four inputs
//	DI                  the tile: 256 bytes a row
//	CX                  how many groups of four inputs are left

// ROW multiplies four inputs of a row with 64 outputs.
#define ROW(codes, a, b, c, d) \
	VPBROADCASTD codes, Z28        \
	VPDPBUSD     Z28, Z24, a       \
	VPDPBUSD     Z28, Z25, b       \
	VPDPBUSD     Z28, Z26, c       \
	VPDPBUSD     Z28, Z27, d

#define CLEAR(a, b, c, d) \
	VPXORD a, a, a \
	VPXORD b, b, b \
	VPXORD c, c, c \
	VPXORD d, d, d

#define STORE(row, a, b, c, d) \
	VMOVDQU32 a, (256*row)(DI)     \
	VMOVDQU32 b, (256*row+64)(DI)  \
	VMOVDQU32 c, (256*row+128)(DI) \
	VMOVDQU32 d, (256*row+192)(DI)

// func tileVNNI(t *tile, codes *int8, width int, weights *byte)
TEXT ·tileVNNI(SB), NOSPLIT, $0-32
	MOVQ t+0(FP), DI
	MOVQ codes+8(FP), SI
	MOVQ width+16(FP), DX
	MOVQ weights+24(FP), BX
	LEAQ (SI)(DX*2), R8
	ADDQ DX, R8
	MOVQ DX, CX
	SHRQ $2, CX

	CLEAR(Z0, Z1, Z2, Z3)
	CLEAR(Z4, Z5, Z6, Z7)
	CLEAR(Z8, Z9, Z10, Z11)
	CLEAR(Z12, Z13, Z14, Z15)
	CLEAR(Z16, Z17, Z18, Z19)
	CLEAR(Z20, Z21, Z22, Z23)

inputs:
	VMOVDQU64 (BX), Z24
	VMOVDQU64 64(BX), Z25
	VMOVDQU64 128(BX), Z26
	VMOVDQU64 192(BX), Z27
	ROW((SI), Z0, Z1, Z2, Z3)
	ROW((SI)(DX*1), Z4, Z5, Z6, Z7)
	ROW((SI)(DX*2), Z8, Z9, Z10, Z11)
	ROW((R8), Z12, Z13, Z14, Z15)
	ROW((R8)(DX*1), Z16, Z17, Z18, Z19)
	ROW((R8)(DX*2), Z20, Z21, Z22, Z23)
	ADDQ $256, BX
	ADDQ $4, SI
	ADDQ $4, R8
	DECQ CX
	JNZ  inputs

	STORE(0, Z0, Z1, Z2, Z3)
	STORE(1, Z4, Z5, Z6, Z7)
	STORE(2, Z8, Z9, Z10, Z11)
	STORE(3, Z12, Z13, Z14, Z15)
	STORE(4, Z16, Z17, Z18, Z19)
	STORE(5, Z20, Z21, Z22, Z23)
	VZEROUPPER
	RET

// ROW2 multiplies four inputs of a row with eight outputs, of which Y12 and
// Y13 hold the weights: a register for four outputs, each in two halves.
#define ROW2(codes, a, b) \
	VPBROADCASTD codes, X14    \
	VPMOVSXBW    X14, Y14      \
	VPMADDWD     Y14, Y12, Y15 \
	VPADDD       Y15, a, a     \
	VPMADDWD     Y14, Y13, Y15 \
	VPADDD       Y15, b, b

#define CLEAR2(a, b) \
	VPXOR a, a, a \
	VPXOR b, b, b

// STORE2 adds the halves; that leaves outputs 0, 1, 4, 5, 2, 3, 6, 7.
#define STORE2(row, a, b) \
	VPHADDD b, a, a     \
	VPERMQ  $0xd8, a, a \
	VMOVDQU a, (256*row)(DI)

// func tileAVX2(t *tile, codes *int8, width int, weights *byte)
TEXT ·tileAVX2(SB), NOSPLIT, $0-32
	MOVQ t+0(FP), DI
	MOVQ width+16(FP), DX
	MOVQ weights+24(FP), R10
	MOVQ $8, R9

outputs:
	MOVQ codes+8(FP), SI
	LEAQ (SI)(DX*2), R8
	ADDQ DX, R8
	MOVQ R10, BX
	MOVQ DX, CX
	SHRQ $2, CX
	CLEAR2(Y0, Y1)
	CLEAR2(Y2, Y3)
	CLEAR2(Y4, Y5)
	CLEAR2(Y6, Y7)
	CLEAR2(Y8, Y9)
	CLEAR2(Y10, Y11)

inputs2:
	VPMOVZXBW (BX), Y12
	VPMOVZXBW 16(BX), Y13
	ROW2((SI), Y0, Y1)
	ROW2((SI)(DX*1), Y2, Y3)
	ROW2((SI)(DX*2), Y4, Y5)
	ROW2((R8), Y6, Y7)
	ROW2((R8)(DX*1), Y8, Y9)
	ROW2((R8)(DX*2), Y10, Y11)
	ADDQ $256, BX
	ADDQ $4, SI
	ADDQ $4, R8
	DECQ CX
	JNZ  inputs2

	STORE2(0, Y0, Y1)
	STORE2(1, Y2, Y3)
	STORE2(2, Y4, Y5)
	STORE2(3, Y6, Y7)
	STORE2(4, Y8, Y9)
	STORE2(5, Y10, Y11)
	ADDQ $32, DI
	ADDQ $32, R10
	DECQ R9
	JNZ  outputs
	VZEROUPPER
	RET
