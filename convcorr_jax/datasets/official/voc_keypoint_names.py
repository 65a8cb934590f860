"""Names of the keypoints of PASCAL VOC 2011, and their left/right pairs.

The 244 names are those in the Berkeley annotations, in alphabetical order, as papers on the set number them.

Source: `data/pascal_voc.py` of https://github.com/Thinklab-SJTU/PCA-GM; the pairs agree with those of
https://github.com/ethanhe42/reconstructing-pascal-voc (Vicente, Carreira, Agapito, Batista,
"Reconstructing PASCAL VOC", CVPR 2014).
"""

_FOUR_LEGS = (
    *("L_B_Elbow", "L_B_Paw", "L_EarBase", "L_Eye", "L_F_Elbow", "L_F_Paw", "Nose"),
    *("R_B_Elbow", "R_B_Paw", "R_EarBase", "R_Eye", "R_F_Elbow", "R_F_Paw", "TailBase"),
    *("Throat", "Withers"),
)

NAMES: dict[str, tuple[str, ...]] = {
    "aeroplane": (
        *("Bot_Rudder", "Bot_Rudder_Front", "L_Stabilizer", "L_WingTip", "Left_Engine_Back"),
        *("Left_Engine_Front", "Left_Wing_Base", "NoseTip", "Nose_Bottom", "Nose_Top"),
        *("R_Stabilizer", "R_WingTip", "Right_Engine_Back", "Right_Engine_Front"),
        *("Right_Wing_Base", "Top_Rudder"),
    ),
    "bicycle": (
        *("B_WheelCenter", "B_WheelEnd", "B_WheelIntersection", "CranksetCenter"),
        *("F_WheelCenter", "F_WheelEnd", "F_WheelIntersection", "HandleCenter", "L_HandleTip"),
        *("R_HandleTip", "SeatBase"),
    ),
    "bird": (
        *("Beak_Base", "Beak_Tip", "Left_Eye", "Left_Wing_Base", "Left_Wing_Tip", "Leg_Center"),
        *("Lower_Neck_Base", "Right_Eye", "Right_Wing_Base", "Right_Wing_Tip", "Tail_Tip"),
        *("Upper_Neck_Base",),
    ),
    "boat": (
        *("Hull_Back_Bot", "Hull_Back_Top", "Hull_Front_Bot", "Hull_Front_Top"),
        *("Hull_Mid_Left_Bot", "Hull_Mid_Left_Top", "Hull_Mid_Right_Bot", "Hull_Mid_Right_Top"),
        *("Mast_Top", "Sail_Left", "Sail_Right"),
    ),
    "bottle": (
        *("L_Base", "L_Neck", "L_Shoulder", "L_Top", "R_Base", "R_Neck", "R_Shoulder", "R_Top"),
    ),
    "bus": (
        *("L_B_Base", "L_B_RoofTop", "L_F_Base", "L_F_RoofTop", "R_B_Base", "R_B_RoofTop"),
        *("R_F_Base", "R_F_RoofTop"),
    ),
    "car": (
        *("L_B_RoofTop", "L_B_WheelCenter", "L_F_RoofTop", "L_F_WheelCenter", "L_HeadLight"),
        *("L_SideviewMirror", "L_TailLight", "R_B_RoofTop", "R_B_WheelCenter", "R_F_RoofTop"),
        *("R_F_WheelCenter", "R_HeadLight", "R_SideviewMirror", "R_TailLight"),
    ),
    "cat": _FOUR_LEGS,
    "chair": (
        *("BackRest_Top_Left", "BackRest_Top_Right", "Leg_Left_Back", "Leg_Left_Front"),
        *("Leg_Right_Back", "Leg_Right_Front", "Seat_Left_Back", "Seat_Left_Front"),
        *("Seat_Right_Back", "Seat_Right_Front"),
    ),
    "cow": _FOUR_LEGS,
    "diningtable": (
        *("Bot_Left_Back", "Bot_Left_Front", "Bot_Right_Back", "Bot_Right_Front"),
        *("Top_Left_Back", "Top_Left_Front", "Top_Right_Back", "Top_Right_Front"),
    ),
    "dog": _FOUR_LEGS,
    "horse": _FOUR_LEGS,
    "motorbike": (
        *("B_WheelCenter", "B_WheelEnd", "ExhaustPipeEnd", "F_WheelCenter", "F_WheelEnd"),
        *("HandleCenter", "L_HandleTip", "R_HandleTip", "SeatBase", "TailLight"),
    ),
    "person": (
        *("B_Head", "HeadBack", "L_Ankle", "L_Ear", "L_Elbow", "L_Eye", "L_Foot", "L_Hip"),
        *("L_Knee", "L_Shoulder", "L_Toes", "L_Wrist", "Nose", "R_Ankle", "R_Ear", "R_Elbow"),
        *("R_Eye", "R_Foot", "R_Hip", "R_Knee", "R_Shoulder", "R_Toes", "R_Wrist"),
    ),
    "pottedplant": (
        *("Bottom_Left", "Bottom_Right", "Top_Back_Middle", "Top_Front_Middle", "Top_Left"),
        *("Top_Right",),
    ),
    "sheep": _FOUR_LEGS,
    "sofa": (
        *("Back_Base_Left", "Back_Base_Right", "Back_Top_Left", "Back_Top_Right"),
        *("Front_Base_Left", "Front_Base_Right", "Handle_Front_Left", "Handle_Front_Right"),
        *("Handle_Left_Junction", "Handle_Right_Junction", "Left_Junction", "Right_Junction"),
    ),
    "train": (
        *("Base_Back_Left", "Base_Back_Right", "Base_Front_Left", "Base_Front_Right"),
        *("Roof_Back_Left", "Roof_Back_Right", "Roof_Front_Middle"),
    ),
    "tvmonitor": (
        *("B_Bottom_Left", "B_Bottom_Right", "B_Top_Left", "B_Top_Right", "F_Bottom_Left"),
        *("F_Bottom_Right", "F_Top_Left", "F_Top_Right"),
    ),
}
"""The keypoints of each class."""

_OPPOSITE = {"L": "R", "Left": "Right"}


def _pairs(names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Return the indices of names that differ in a word for left or right only, left first."""
    mirrored = ("_".join(_OPPOSITE.get(word, word) for word in name.split("_")) for name in names)
    return tuple(
        (left, names.index(right))
        for left, right in enumerate(mirrored)
        if right != names[left] and right in names
    )


LEFT_RIGHT_PAIRS = {category: _pairs(names) for category, names in NAMES.items()}
"""The indices of the keypoints of each class that exchange names when the image is mirrored."""
