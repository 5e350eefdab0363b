        .equ PORT, 0x05
        .section .text
        .global main
main:   ldi r16, 0x20
        ldi r20, 200
loop:   eor r17, r16
        out PORT, r17
        rcall wait
        dec r20
        brne loop
        ret
wait:   ldi r18, 0xff
1:      ldi r19, 0xff
2:      dec r19
        brne 2b
        dec r18
        brne 1b
        ret
        .section .data
text:   .asciz "blinking"
        .rept 64
        .word 0x1234, main
        .endr
