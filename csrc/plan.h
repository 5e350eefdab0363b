/* The wire format between crunw (Python, which decides) and crunw-init (C, which executes).
 *
 * A plan is a flat, ordered list of steps. All integers are little-endian. It may come in parts, of
 * which the first are performed while the runtime still makes the others: each has a header.
 *
 *   header   4 bytes "CRWP" | u32 version | u32 number of records | u32 bytes of these
 *            | u32 1 if another part follows, else 0
 *   record   u16 op | u16 zero | u32 payload bytes | payload
 *
 * A payload is the op's fields in order, as its signature says:
 *
 *   u   u64 (a negative number as two's complement)
 *   s   string: u32 length, the bytes, one NUL that the length does not count; no NUL inside
 *   b   bytes: u32 length, the bytes
 *   S   list of strings: u32 count, then each as s
 *   U   list of u64: u32 count, then each as u
 *
 * A part is checked before its first step runs: against the signatures, and that no step comes
 * before another whose result it works on (csrc/init/plan.c).
 *
 * The steps, the reports and the constants are in csrc/contract.toml, which contract.h is made of.
 */
#ifndef CRUNW_PLAN_H
#define CRUNW_PLAN_H

#include <stdint.h>

#include "contract.h"

#define PLAN_MAX_BYTES (16u << 20)

/* ENGINE_COUNTERS: what the module has used, in this machine's byte order.
 * crunw/effects/counters.py reads it. */
struct plan_counters {
    uint64_t instructions;
    uint64_t cost; /* "gas" */
    uint64_t nanoseconds;
};

/* What crunw-init reports to the runtime, on the descriptor it was given for it:
 *
 *   report   u32 type | u32 payload bytes | payload (fields as in a plan)
 *
 * and the runtime answers REPORT_USERNS, REPORT_HOOKS and REPORT_READY with one byte "g" (go).
 * End of file instead of an answer: the runtime is gone; crunw-init exits. After WAIT_START errors
 * and notices come on the FIFO "started", in the same form.
 *
 * crunw-init is started as: crunw-init PLAN-FD REPORT-FD ANSWER-FD. End of file instead of a plan:
 * it is not needed, and exits. */

#endif
