/** EtherTypes that the chain walks, named as in linux/if_ether.h. */
export const ETH_P_IP = 0x0800;
export const ETH_P_ARP = 0x0806;
export const ETH_P_RARP = 0x8035;
export const ETH_P_8021Q = 0x8100;
export const ETH_P_IPV6 = 0x86dd;
export const ETH_P_MPLS_UC = 0x8847;
export const ETH_P_MPLS_MC = 0x8848;
export const ETH_P_PPP_SES = 0x8864;
export const ETH_P_8021AD = 0x88a8;
/** Tag types of switches older than 802.1ad. */
export const ETH_P_QINQ1 = 0x9100;
export const ETH_P_QINQ2 = 0x9200;
export const ETH_P_QINQ3 = 0x9300;
/** Headers in front of another Ethernet payload: 802.1ah (PBB) I-TAG, 802.1BR VN-Tag, HSR. */
export const ETH_P_8021AH = 0x88e7;
export const ETH_P_VNTAG = 0x8926;
export const ETH_P_HSR = 0x892f;
/** Not on the wire as an EtherType: the kernel's and cooked capture's way to say "an 802.2 LLC header follows". */
export const ETH_P_802_2 = 0x0004;
/** Smallest type field that is an EtherType; below it is the length of an 802.3 frame. IEEE 802.3 §3.2.6. */
export const ETH_P_802_3_MIN = 0x0600;

/** What `PacketFields.etherType` holds when the payload has none that nstap knows how to name. */
export const ETHER_TYPE_NONE = -1;
