module counter(input clk, input reset, input [7:0] step, output reg [31:0] count, output wrapped);
    wire [31:0] next = count + (step * step);
    assign wrapped = next < count;
    always @(posedge clk)
        if (reset) count <= 0;
        else count <= next;
endmodule
