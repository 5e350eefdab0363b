/* What every module of crunw is loaded with. */
#include "internal.h"

#include <assert.h>

/* The numbers of the proposals differ from version to version (Threads is 12 in 0.14 and 16 in
 * 0.17), but from 0.14 on they are the same eighteen, with the component model, which has no
 * functions in the C interface, as the last. All the others: no number has to be known. */
#define PROPOSALS 17
static_assert((int)WasmEdge_Proposal_Component == PROPOSALS, "another set of proposals");

WasmEdge_ConfigureContext *configure_create(const struct engine *engine, enum execution execution,
                                            uint32_t max_memory_pages, bool statistics) {
    const struct engine_symbols *wasmedge = &engine->wasmedge;
    WasmEdge_ConfigureContext *configure = wasmedge->ConfigureCreate();
    if (!configure)
        return NULL;
    for (int proposal = 0; proposal < PROPOSALS; proposal++)
        wasmedge->ConfigureAddProposal(configure, (enum WasmEdge_Proposal)proposal);
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
