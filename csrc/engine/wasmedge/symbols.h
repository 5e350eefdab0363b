/* The functions of libwasmedge that crunw calls, resolved by name when the library is opened. */
#ifndef CRUNW_ENGINE_SYMBOLS_H
#define CRUNW_ENGINE_SYMBOLS_H

#include <wasmedge/wasmedge.h>

#define ENGINE_SYMBOLS(X)                                                                          \
    X(VersionGet)                                                                                  \
    X(VersionGetMajor)                                                                             \
    X(VersionGetMinor)                                                                             \
    X(LogOff)                                                                                      \
    X(LogSetErrorLevel)                                                                            \
    X(ConfigureCreate)                                                                             \
    X(ConfigureAddProposal)                                                                        \
    X(ConfigureRemoveProposal)                                                                     \
    X(ConfigureHasProposal)                                                                        \
    X(ConfigureStatisticsSetInstructionCounting)                                                   \
    X(ConfigureStatisticsSetCostMeasuring)                                                         \
    X(ConfigureStatisticsSetTimeMeasuring)                                                         \
    X(ConfigureCompilerSetOptimizationLevel)                                                       \
    X(ConfigureCompilerSetOutputFormat)                                                            \
    X(ConfigureCompilerSetGenericBinary)                                                           \
    X(ConfigureCompilerSetInterruptible)                                                           \
    X(ConfigureDelete)                                                                             \
    X(StatisticsCreate)                                                                            \
    X(StatisticsGetInstrCount)                                                                     \
    X(StatisticsGetTotalCost)                                                                      \
    X(StatisticsSetCostTable)                                                                      \
    X(StatisticsSetCostLimit)                                                                      \
    X(StatisticsDelete)                                                                            \
    X(LoaderCreate)                                                                                \
    X(LoaderParseFromBytes)                                                                        \
    X(LoaderParseFromFile)                                                                         \
    X(LoaderDelete)                                                                                \
    X(ValidatorCreate)                                                                             \
    X(ValidatorValidate)                                                                           \
    X(ValidatorDelete)                                                                             \
    X(ASTModuleListImportsLength)                                                                  \
    X(ASTModuleListImports)                                                                        \
    X(ASTModuleListExportsLength)                                                                  \
    X(ASTModuleListExports)                                                                        \
    X(ASTModuleDelete)                                                                             \
    X(ImportTypeGetExternalType)                                                                   \
    X(ImportTypeGetModuleName)                                                                     \
    X(ImportTypeGetExternalName)                                                                   \
    X(ExportTypeGetExternalType)                                                                   \
    X(ExportTypeGetExternalName)                                                                   \
    X(ExportTypeGetFunctionType)                                                                   \
    X(FunctionTypeGetParametersLength)                                                             \
    X(StoreCreate)                                                                                 \
    X(StoreDelete)                                                                                 \
    X(ExecutorCreate)                                                                              \
    X(ExecutorRegisterImport)                                                                      \
    X(ExecutorInstantiate)                                                                         \
    X(ExecutorInvoke)                                                                              \
    X(ExecutorDelete)                                                                              \
    X(ModuleInstanceCreateWASI)                                                                    \
    X(ModuleInstanceWASIGetExitCode)                                                               \
    X(ModuleInstanceWASIGetNativeHandler)                                                          \
    X(ModuleInstanceGetModuleName)                                                                 \
    X(ModuleInstanceFindFunction)                                                                  \
    X(ModuleInstanceFindMemory)                                                                    \
    X(ModuleInstanceDelete)                                                                        \
    X(PluginLoadFromPath)                                                                          \
    X(PluginListPluginsLength)                                                                     \
    X(PluginListPlugins)                                                                           \
    X(PluginFind)                                                                                  \
    X(PluginListModuleLength)                                                                      \
    X(PluginListModule)                                                                            \
    X(PluginCreateModule)                                                                          \
    X(CompilerCreate)                                                                              \
    X(CompilerCompileFromBytes)                                                                    \
    X(CompilerDelete)                                                                              \
    X(ResultOK)                                                                                    \
    X(ResultGetMessage)

/* Those that versions declare differently, in a way that fits all on 64-bit processors: pages have
 * 32 bits in 0.14 and 64 in 0.17, of which no memory needs more than 32. */
#define ENGINE_CHANGED_SYMBOLS(X)                                                                  \
    X(ConfigureSetMaxMemoryPage, void, WasmEdge_ConfigureContext *, uint64_t)                      \
    X(MemoryInstanceGetPageSize, uint32_t, const WasmEdge_MemoryInstanceContext *)

/* Those that some versions lack: NULL there. The first is 0.14's, and deprecated in 0.17. */
#define ENGINE_OPTIONAL_SYMBOLS(X)                                                                 \
    X(ConfigureSetForceInterpreter, void, WasmEdge_ConfigureContext *, bool)                       \
    X(ConfigureSetRunMode, void, WasmEdge_ConfigureContext *, int)

struct wasmedge_symbols {
#define ENGINE_POINTER(name) __typeof__(WasmEdge_##name) *name;
    ENGINE_SYMBOLS(ENGINE_POINTER)
#undef ENGINE_POINTER
#define ENGINE_POINTER(name, type, ...) type (*name)(__VA_ARGS__);
    ENGINE_CHANGED_SYMBOLS(ENGINE_POINTER)
    ENGINE_OPTIONAL_SYMBOLS(ENGINE_POINTER)
#undef ENGINE_POINTER
};

#endif
