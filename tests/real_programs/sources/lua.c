/* Runs the script that the argument names. An error ends the program: WASI has no setjmp. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

static const luaL_Reg libraries[] = {
    {"_G", luaopen_base},
    {"string", luaopen_string},
    {"table", luaopen_table},
    {"math", luaopen_math},
};

int main(int argc, char **argv) {
    lua_State *state = luaL_newstate();
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        luaL_requiref(state, libraries[i].name, libraries[i].func, 1);
        lua_pop(state, 1);
    }
    if (argc < 2 || luaL_loadfile(state, argv[1]) != LUA_OK)
        return 2;
    lua_call(state, 0, 0);
    return 0;
}
