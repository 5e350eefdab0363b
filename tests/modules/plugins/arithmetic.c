/* A plugin of WasmEdge with two modules: `crunw_test` has twice(i32) -> i32 and loaded() -> i32,
 * which says whether a file of the plugin's directory can be opened now; `crunw_more` is empty. */
#include <fcntl.h>
#include <unistd.h>
#include <wasmedge/wasmedge.h>

static WasmEdge_Result twice(void *data, const WasmEdge_CallingFrameContext *frame,
                             const WasmEdge_Value *in, WasmEdge_Value *out) {
    (void)data;
    (void)frame;
    out[0] = WasmEdge_ValueGenI32(2 * WasmEdge_ValueGetI32(in[0]));
    return WasmEdge_Result_Success;
}

/* 1: it can be read; 3: it can be written, too. */
static WasmEdge_Result loaded(void *data, const WasmEdge_CallingFrameContext *frame,
                              const WasmEdge_Value *in, WasmEdge_Value *out) {
    (void)data;
    (void)frame;
    (void)in;
    static const char path[] = PLUGIN_DIRECTORY "/data";
    int reading = open(path, O_RDONLY | O_CLOEXEC);
    int writing = open(path, O_RDWR | O_CLOEXEC);
    out[0] = WasmEdge_ValueGenI32((reading >= 0 ? 1 : 0) + (writing >= 0 ? 2 : 0));
    close(reading);
    close(writing);
    return WasmEdge_Result_Success;
}

static void add(WasmEdge_ModuleInstanceContext *module, const char *name, WasmEdge_HostFunc_t code,
                uint32_t arguments) {
    WasmEdge_ValType number[1] = {WasmEdge_ValTypeGenI32()};
    WasmEdge_FunctionTypeContext *type = WasmEdge_FunctionTypeCreate(number, arguments, number, 1);
    WasmEdge_FunctionInstanceContext *function =
        WasmEdge_FunctionInstanceCreate(type, code, NULL, 0);
    WasmEdge_FunctionTypeDelete(type);
    WasmEdge_String string = WasmEdge_StringCreateByCString(name);
    WasmEdge_ModuleInstanceAddFunction(module, string, function);
    WasmEdge_StringDelete(string);
}

static WasmEdge_ModuleInstanceContext *create(const WasmEdge_ModuleDescriptor *descriptor) {
    WasmEdge_String name = WasmEdge_StringCreateByCString(descriptor->Name);
    WasmEdge_ModuleInstanceContext *module = WasmEdge_ModuleInstanceCreate(name);
    WasmEdge_StringDelete(name);
    if (descriptor->Name[6] == 't') {
        add(module, "twice", twice, 1);
        add(module, "loaded", loaded, 0);
    }
    return module;
}

static WasmEdge_ModuleDescriptor modules[] = {
    {.Name = "crunw_test", .Description = "two functions", .Create = create},
    {.Name = "crunw_more", .Description = "nothing", .Create = create},
};

static WasmEdge_PluginDescriptor plugin = {
    .Name = "crunw_arithmetic",
    .Description = "for the tests of crunw",
    .APIVersion = WasmEdge_Plugin_CurrentAPIVersion,
    .Version = {0, 1, 0, 0},
    .ModuleCount = 2,
    .ModuleDescriptions = modules,
};

const WasmEdge_PluginDescriptor *WasmEdge_Plugin_GetDescriptor(void) { return &plugin; }
