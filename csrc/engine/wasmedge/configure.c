/* What every module of crunw is loaded with. */
#include "internal.h"

#include <assert.h>
#include <stddef.h>

/* The numbers of the proposals differ from version to version (Threads is 12 in 0.14 and 16 in
 * 0.17), but from 0.14 on they are the same eighteen, with the component model, which has no
 * functions in the C interface, as the last. All the others: no number has to be known. */
#define PROPOSALS 17
static_assert((int)WasmEdge_Proposal_Component == PROPOSALS, "another set of proposals");

/* Their names, by the numbers of the version that crunw is built with. */
static const char *const proposals[PROPOSALS + 1] = {
    [WasmEdge_Proposal_ImportExportMutGlobals] = "mutable-globals",
    [WasmEdge_Proposal_NonTrapFloatToIntConversions] = "nontrapping-float-to-int",
    [WasmEdge_Proposal_SignExtensionOperators] = "sign-extension",
    [WasmEdge_Proposal_MultiValue] = "multi-value",
    [WasmEdge_Proposal_BulkMemoryOperations] = "bulk-memory",
    [WasmEdge_Proposal_ReferenceTypes] = "reference-types",
    [WasmEdge_Proposal_SIMD] = "simd",
    [WasmEdge_Proposal_TailCall] = "tail-call",
    [WasmEdge_Proposal_ExtendedConst] = "extended-const",
    [WasmEdge_Proposal_FunctionReferences] = "function-references",
    [WasmEdge_Proposal_GC] = "gc",
    [WasmEdge_Proposal_MultiMemories] = "multi-memory",
    [WasmEdge_Proposal_Threads] = "threads",
    [WasmEdge_Proposal_RelaxSIMD] = "relaxed-simd",
    [WasmEdge_Proposal_Annotations] = "annotations",
    [WasmEdge_Proposal_Memory64] = "memory64",
    [WasmEdge_Proposal_ExceptionHandling] = "exception-handling",
};

const char *engine_proposal(unsigned index) { return index < PROPOSALS ? proposals[index] : NULL; }

static bool numbers_are_known(const struct engine *engine) {
    return engine->wasmedge.VersionGetMajor() == WASMEDGE_VERSION_MAJOR &&
           engine->wasmedge.VersionGetMinor() == WASMEDGE_VERSION_MINOR;
}

WasmEdge_ConfigureContext *configure_create(const struct engine *engine, enum execution execution,
                                            uint32_t max_memory_pages, bool statistics,
                                            uint32_t without, struct engine_error *error) {
    const struct wasmedge_symbols *wasmedge = &engine->wasmedge;
    if (without && !numbers_are_known(engine)) {
        engine_fail(error,
                    "libwasmedge is another version than the %s that crunw was built with: "
                    "proposals can't be named",
                    WASMEDGE_VERSION);
        return NULL;
    }
    WasmEdge_ConfigureContext *configure = wasmedge->ConfigureCreate();
    if (!configure) {
        engine_fail(error, "out of memory");
        return NULL;
    }
    for (unsigned proposal = 0; proposal < PROPOSALS; proposal++) {
        if (without >> proposal & 1)
            wasmedge->ConfigureRemoveProposal(configure, (enum WasmEdge_Proposal)proposal);
        else
            wasmedge->ConfigureAddProposal(configure, (enum WasmEdge_Proposal)proposal);
    }
    if (max_memory_pages)
        wasmedge->ConfigureSetMaxMemoryPage(configure, max_memory_pages);
    /* 0.14 loads AOT sections by itself, later versions when asked. */
    wasmedge->ConfigureSetForceInterpreter(configure, execution == INTERPRETED);
    if (statistics) {
        wasmedge->ConfigureStatisticsSetInstructionCounting(configure, true);
        wasmedge->ConfigureStatisticsSetCostMeasuring(configure, true);
        wasmedge->ConfigureStatisticsSetTimeMeasuring(configure, true);
    }
    return configure;
}
