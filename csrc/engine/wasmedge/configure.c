/* What every module of crunw is loaded with. */
#include "internal.h"

#include <stddef.h>

/* From 0.14 on the proposals are the same eighteen, with the component model, which has no
 * functions in the C interface, as the last. All the others: no number has to be known. */
#define PROPOSALS 17

/* Their names, in the order of 0.14's numbers, and those of 0.17, which has sorted them anew. */
static const struct {
    const char *name;
    uint8_t in_0_17;
} proposals[PROPOSALS] = {
    {"mutable-globals", 0},
    {"nontrapping-float-to-int", 1},
    {"sign-extension", 2},
    {"multi-value", 3},
    {"bulk-memory", 4},
    {"reference-types", 5},
    {"simd", 6},
    {"tail-call", 7},
    {"extended-const", 8},
    {"function-references", 9},
    {"gc", 10},
    {"multi-memory", 11},
    {"threads", 16},
    {"relaxed-simd", 12},
    {"annotations", 13},
    {"memory64", 15},
    {"exception-handling", 14},
};

const char *engine_proposal(unsigned index) {
    return index < PROPOSALS ? proposals[index].name : NULL;
}

/* The set of the library's numbers for a set of crunw's; false: they are not known. */
static bool numbers_of(const struct engine *engine, uint32_t set, uint32_t *numbers) {
    uint32_t minor = engine->wasmedge.VersionGetMinor();
    *numbers = minor == 14 ? set : 0;
    if (minor == 17)
        for (unsigned index = 0; index < PROPOSALS; index++)
            *numbers |= (set >> index & 1) << proposals[index].in_0_17;
    bool known = engine->wasmedge.VersionGetMajor() == 0 && (minor == 14 || minor == 17);
    return known || !set;
}

/* All are enabled, but those in the set of numbers. 0.17 keeps a proposal, and says nothing, while
 * one is enabled that includes it. Those have higher numbers, so they are removed first. */
static int set_proposals(const struct wasmedge_symbols *wasmedge,
                         WasmEdge_ConfigureContext *configure, uint32_t removed,
                         struct engine_error *error) {
    for (unsigned number = 0; number < PROPOSALS; number++)
        wasmedge->ConfigureAddProposal(configure, (enum WasmEdge_Proposal)number);
    for (unsigned number = PROPOSALS; number-- > 0;)
        if (removed >> number & 1)
            wasmedge->ConfigureRemoveProposal(configure, (enum WasmEdge_Proposal)number);
    for (unsigned number = 0; number < PROPOSALS; number++)
        if (removed >> number & 1 &&
            wasmedge->ConfigureHasProposal(configure, (enum WasmEdge_Proposal)number))
            return engine_fail(error,
                               "libwasmedge %s disables no proposal that another one includes: "
                               "that has to be disabled, too (gc includes function-references, "
                               "and that reference-types)",
                               wasmedge->VersionGet());
    return 0;
}

/* 0.14 executes compiled code unless it must not, later versions when asked. */
static void set_execution(const struct wasmedge_symbols *wasmedge,
                          WasmEdge_ConfigureContext *configure, enum execution execution) {
    enum { RUN_INTERPRETER = 0, RUN_AOT = 2 }; /* enum WasmEdge_RunMode */
    if (wasmedge->ConfigureSetRunMode)
        wasmedge->ConfigureSetRunMode(configure, execution == COMPILED ? RUN_AOT : RUN_INTERPRETER);
    else
        wasmedge->ConfigureSetForceInterpreter(configure, execution == INTERPRETED);
}

WasmEdge_ConfigureContext *configure_create(const struct engine *engine, enum execution execution,
                                            uint32_t max_memory_pages, bool statistics,
                                            uint32_t without, struct engine_error *error) {
    const struct wasmedge_symbols *wasmedge = &engine->wasmedge;
    uint32_t removed;
    if (!numbers_of(engine, without, &removed)) {
        engine_fail(error,
                    "libwasmedge %s is neither 0.14 nor 0.17, whose numbers of proposals crunw "
                    "knows: proposals can't be named",
                    wasmedge->VersionGet());
        return NULL;
    }
    WasmEdge_ConfigureContext *configure = wasmedge->ConfigureCreate();
    if (!configure) {
        engine_fail(error, "out of memory");
        return NULL;
    }
    if (set_proposals(wasmedge, configure, removed, error) != 0) {
        wasmedge->ConfigureDelete(configure);
        return NULL;
    }
    if (max_memory_pages)
        wasmedge->ConfigureSetMaxMemoryPage(configure, max_memory_pages);
    set_execution(wasmedge, configure, execution);
    if (statistics) {
        wasmedge->ConfigureStatisticsSetInstructionCounting(configure, true);
        wasmedge->ConfigureStatisticsSetCostMeasuring(configure, true);
        wasmedge->ConfigureStatisticsSetTimeMeasuring(configure, true);
    }
    return configure;
}
