"""What vendors call the columns of their register lists, types, orders and units, in English and Chinese."""

import re
from typing import NamedTuple

COLUMNS = {
    "name": "name channel id tag symbol variable identifier 标识 标识符 变量 变量名 英文名 英文名称 代号",
    "en": "title description parameter item en english register_name data_item signal meaning point",
    "zh": "名称 中文名 中文名称 参数 参数名 参数名称 描述 说明 寄存器名称 数据项 数据名称 点名 含义 zh chinese",
    "address": "address addr register reg offset register_address modbus_address start_address 地址 寄存器地址 寄存器 "
               "偏移 偏移地址 起始地址 modbus地址",
    "table": "table function fc function_code register_type area 功能码 寄存器类型 区 区域 表",
    "type": "type data_type datatype format 数据类型 类型 格式 数据格式",
    "order": "order byte_order word_order endian endianness 字节序 字节顺序 字序",
    "scale": "scale factor multiplier resolution gain coefficient 倍率 系数 比例 比例系数 分辨率 精度 缩放",
    "unit": "unit units 单位",
    "access": "access rw r_w mode attribute permission 读写 读写属性 属性 权限",
    "kind": "kind 种类",
    "quantity": "quantity 物理量",
    "low": "min minimum low lower_limit 最小值 下限",
    "high": "max maximum high upper_limit 最大值 上限",
    "length": "length count words registers quantity_of_registers size 长度 数量 寄存器数 寄存器数量 字数",
    "bit": "bit bit_position 位 位号",
    "sentinel": "sentinel invalid invalid_value no_value 无效值 缺省值",
    "states": "states enum values options value_range 枚举 取值 状态",
}  # fmt: skip
TABLES = {
    "coil": "coil coils 1 01 0x01 fc1 fc01 do 0x 线圈",
    "discrete": "discrete discrete_input discrete_inputs 2 02 0x02 fc2 fc02 di 1x 离散输入 离散量输入",
    "holding": "holding holding_register holding_registers 3 03 0x03 fc3 fc03 4x 保持寄存器 保持",
    "input": "input input_register input_registers 4 04 0x04 fc4 fc04 3x 输入寄存器 输入",
}
TYPES = {
    "u16": "u16 uint16 uint16_t word ushort unsigned unsigned_short unsigned_int16 无符号16位 16位无符号 "
           "16位无符号整数 无符号整型",
    "i16": "i16 s16 int16 int16_t sint16 short signed_short signed_int16 有符号16位 16位有符号 16位有符号整数",
    "u32": "u32 uint32 uint32_t dword ulong udint unsigned_long unsigned_int32 无符号32位 32位无符号 32位无符号整数",
    "i32": "i32 s32 int32 int32_t sint32 long dint signed_long signed_int32 有符号32位 32位有符号 32位有符号整数",
    "u64": "u64 uint64 uint64_t qword ulint 无符号64位 64位无符号 64位无符号整数",
    "i64": "i64 s64 int64 int64_t lint 有符号64位 64位有符号 64位有符号整数",
    "f32": "f32 float float32 real single 单精度 浮点 浮点数 32位浮点 单精度浮点 单精度浮点数",
    "f64": "f64 double float64 lreal 双精度 64位浮点 双精度浮点 双精度浮点数",
    "bit": "bit bool boolean 布尔 位 开关量",
}  # fmt: skip
BITS = {"u16": 16, "i16": 16, "u32": 32, "i32": 32, "u64": 64, "i64": 64, "f32": 32, "f64": 64}
ORDERS = {
    "ABCD": "abcd big big_endian msb_first be 大端 高字在前",
    "CDAB": "cdab word_swap word_swapped swapped low_word_first little_word 低字在前 字交换",
    "BADC": "badc byte_swap byte_swapped 字节交换",
    "DCBA": "dcba little little_endian lsb_first le 小端",
}
UNITS = {
    "Cel": "℃ °c degc c cel 摄氏度", "%RH": "%rh rh 相对湿度", "m3": "m³ m^3 立方米", "m3/h": "m³/h m^3/h 立方米/小时",
    "mg/m3": "mg/m³", "ug/m3": "μg/m³ µg/m³", "rpm": "r/min 转/分", "kWh": "kwh kw·h kw.h 千瓦时 度",
    "kW": "kw 千瓦", "V": "v 伏", "A": "a 安", "Hz": "hz 赫兹", "%": "% 百分比", "": "- / 无 none n/a",
}  # fmt: skip
QUANTITY_OF_UNIT = {
    "Cel": "temperature", "%RH": "humidity", "V": "voltage", "mV": "voltage", "kV": "voltage", "A": "current",
    "mA": "current", "Hz": "frequency", "W": "power", "kW": "power", "MW": "power", "Wh": "energy", "kWh": "energy",
    "MWh": "energy", "Pa": "pressure", "hPa": "pressure", "kPa": "pressure", "MPa": "pressure", "bar": "pressure",
    "lx": "illuminance", "ppm": "concentration", "mg/m3": "concentration", "ug/m3": "concentration",
    "%": "percentage", "mm": "distance", "cm": "distance", "m": "distance", "rpm": "rate", "m/s": "rate",
    "mm/s": "rate", "m3/h": "rate", "dB": "loudness", "s": "time", "min": "time", "h": "time",
}  # fmt: skip
COUNTED = ("Wh", "kWh", "MWh", "kvarh", "m3")
COUNTER_WORDS = re.compile(r"\b(?:total|cumulative|accumulated|counter)\b|累计|累积|总量|电能|电度")


class Traditional(NamedTuple):
    """Addresses as old manuals print them: the first digit is the table, the rest counts from 1."""

    table: str
    first: int
    last: int


TRADITIONAL = (
    Traditional("holding", 40001, 49999), Traditional("holding", 400001, 465536),
    Traditional("input", 30001, 39999), Traditional("input", 300001, 365536),
    Traditional("discrete", 10001, 19999), Traditional("discrete", 100001, 165536),
)  # fmt: skip


def plain(text: str) -> str:
    """As the tables above write it: small letters, one '_' for blanks and dashes, no brackets with what is in them."""
    text = re.sub(r"[(（\[【].*?[)）\]】]", " ", text.strip().lower())
    return re.sub(r"[\s_./-]+", "_", text).strip("_:：")


def lookup(table: dict[str, str]) -> dict[str, str]:
    """From every spelling to the word."""
    return {spelling: word for word, spellings in table.items() for spelling in (*spellings.split(), plain(word))}
