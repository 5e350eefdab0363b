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
    X(ConfigureSetMaxMemoryPage)                                                                   \
    X(ConfigureSetForceInterpreter)                                                                \
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
    X(MemoryInstanceGetPageSize)                                                                   \
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

struct wasmedge_symbols {
#define ENGINE_POINTER(name) __typeof__(WasmEdge_##name) *name;
    ENGINE_SYMBOLS(ENGINE_POINTER)
#undef ENGINE_POINTER
};

#endif
